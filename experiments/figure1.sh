# Figure 1: six labelled views of each of three objects, two to train on and one held out
# Cost: seconds, after the data. FLAGS: --objects=car/03,chair/05,sofa/01, the last one held out
data
$PY -m pose_code.figure1 --data_dir="$DATA_DIR" --out="$DATA_DIR/figure1.png" "$@"
say "$DATA_DIR/figure1.png"
