# Table 1: the sinusoid by the released notebooks' protocol and by the text's, six methods, 5 and 10 shots
# Cost: 15 minutes of two cores for five trials, which train side by side. No data needed.
# Expect: (the paper, 5 and 10 shots) MAML 0.46, 0.13; MR-MAML (A) 0.17, 0.07, (W) 0.16, 0.06; CNP 0.91, 0.92; MR-CNP (A)
# 0.10, 0.09, (W) 0.11, 0.09.
setup
METHODS=
say "Table 1: the released protocol and the text's, six methods, 5 and 10 shots, ${TRIALS:=5} trials each"
for method in cnp_weights maml_weights cnp_activations maml_activations cnp_none maml_none; do  # the longest first
  for shots in 10 5; do  # the notebooks train with 10 in any case
    echo "sinusoid.${method%_*} --flagfile=presets/sinusoid/released/$method.cfg --test_shots=$shots" \
      "$(quoted "--logdir=$SINUSOID_DIR/released")"
    echo "sinusoid.${method%_*} --flagfile=presets/sinusoid/text/$method.cfg --update_batch_size=$shots" \
      "$(quoted "--logdir=$SINUSOID_DIR/text")"
  done
done | sweep "$@" -- --num_trials="$TRIALS" || failed=1
dry "$@" || sinusoid_report --table1=results/table1 --bars=results/table1.png
