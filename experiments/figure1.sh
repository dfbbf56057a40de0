# Figure 1: six labelled views of each of three objects, two to train on and one held out
# Cost: seconds, after the data. FLAGS: --objects=car/03,chair/05,sofa/01, the last one held out
data
from_there "data_dir out" "$@"
to=$DATA_DIR/figure1.png
for word in "${words[@]}"; do [[ $word != --out=* ]] || to=${word#*=}; done
$PY -m pose_code.figure1 --data_dir="$DATA_DIR" --out="$to" "${words[@]}"
say "$to"
