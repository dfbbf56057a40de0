# MODEL... [FLAGS]: angles of views of your own object, by the learner in pretrained/ (RUN=another); without MODEL, of an embedded one
# Cost: half a minute. FLAGS of pose_code/predict.py, such as --shots=5.
setup
opengl
models=() flags=()
for word in "$@"; do
  if [[ $word == --* ]]; then flags+=("$word"); else models+=("$(cd "$from" && realpath -m -- "$word")"); fi
done
if [[ ${#models[@]} == 0 ]]; then
  $PY -m pose_data.cad_models --out_dir="$WORK_DIR/predict/CAD" --objects_per_class=1
  models=("$WORK_DIR/predict/CAD/chair/01.off")
fi
to=$WORK_DIR/predict/$(basename "${models[0]%.*}").png
[[ ${#models[@]} == 1 && ! -d ${models[0]} ]] || to=${to%.png}.json
mkdir -p "$WORK_DIR/predict"
$PY -m pose_code.predict --run="${RUN:-pretrained/maml_bbb}" --CAD="$(IFS=,; echo "${models[*]}")" --out="$to" "${flags[@]}"
say "$to"
