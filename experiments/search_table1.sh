# Every setting of sinusoid/search.txt, on training amplitudes held out for it
# Cost: some hours of two cores; not measured.
whole_list search_table1
setup
sweep "$@" -- --num_heldout_amplitudes=4 --num_trials="${TRIALS:-3}" < <(
  i=0
  while read -r script line; do
    i=$((i + 1))
    echo "sinusoid.$script $line $(quoted "--logdir=$SINUSOID_DIR/search/$i")"
  done <sinusoid/search.txt
)
dry "$@" || $PY -m pose_code.summarize --logdir="$SINUSOID_DIR/search" --out="$SINUSOID_DIR/search/table"
