# Table 1: the sinusoid by the released notebooks' protocol and by the text's, six methods, 5 and 10 shots
# Cost: 17 to 30 minutes of two cores for five trials, which train side by side. No data needed.
# Expect: (the paper, 5 and 10 shots) MAML 0.46, 0.13; MR-MAML (A) 0.17, 0.07, (W) 0.16, 0.06; CNP 0.91, 0.92; MR-CNP (A)
# 0.10, 0.09, (W) 0.11, 0.09. The released protocol trains with 10 shots and evaluates with 5 and 10, as the notebooks do.
whole_list table1
setup
say "Table 1: the released protocol and the text's, six methods, 5 and 10 shots, ${TRIALS:=5} trials each"
R="presets/sinusoid/released" to_r=$(quoted "--logdir=$SINUSOID_DIR/released")
T="presets/sinusoid/text" to_t=$(quoted "--logdir=$SINUSOID_DIR/text")
sweep "$@" -- --num_trials="$TRIALS" <<RUNS
sinusoid.cnp  --flagfile=$R/cnp_weights.cfg        $to_r
sinusoid.cnp  --flagfile=$T/cnp_weights.cfg        $to_t --update_batch_size=10
sinusoid.cnp  --flagfile=$T/cnp_weights.cfg        $to_t --update_batch_size=5
sinusoid.maml --flagfile=$R/maml_weights.cfg       $to_r
sinusoid.maml --flagfile=$T/maml_weights.cfg       $to_t --update_batch_size=10
sinusoid.maml --flagfile=$T/maml_weights.cfg       $to_t --update_batch_size=5
sinusoid.cnp  --flagfile=$R/cnp_activations.cfg    $to_r
sinusoid.cnp  --flagfile=$T/cnp_activations_10.cfg $to_t --update_batch_size=10
sinusoid.cnp  --flagfile=$T/cnp_activations.cfg    $to_t --update_batch_size=5
sinusoid.maml --flagfile=$R/maml_activations.cfg   $to_r
sinusoid.maml --flagfile=$T/maml_activations.cfg   $to_t --update_batch_size=10
sinusoid.maml --flagfile=$T/maml_activations.cfg   $to_t --update_batch_size=5
sinusoid.cnp  --flagfile=$R/cnp_none.cfg           $to_r
sinusoid.cnp  --flagfile=$T/cnp_none.cfg           $to_t --update_batch_size=10
sinusoid.cnp  --flagfile=$T/cnp_none.cfg           $to_t --update_batch_size=5
sinusoid.maml --flagfile=$R/maml_none.cfg          $to_r
sinusoid.maml --flagfile=$T/maml_none.cfg          $to_t --update_batch_size=10
sinusoid.maml --flagfile=$T/maml_none.cfg          $to_t --update_batch_size=5
RUNS
dry "$@" || sinusoid_report --table1="$SINUSOID_DIR/table1" --bars="$SINUSOID_DIR/table1.png"
