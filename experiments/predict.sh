# MODEL... [FLAGS]: angles of views of your own object, by the learner in pretrained/ (RUN=another); without MODEL, of an embedded one
# Cost: half a minute. FLAGS of pose_code/predict.py, such as --shots=5, or --support=FOLDER --query=FOLDER of rendered views.
setup
opengl
models=() flags=() to=
from_there "out support query run" "$@"
for word in "${words[@]}"; do
  case $word in
    --CAD=*)
      IFS=, read -ra named <<<"${word#*=}"
      for model in "${named[@]}"; do models+=("$(cd "$from" && realpath -m -- "$model")"); done
      ;;
    --*)
      flags+=("$word")
      [[ $word != --out=* ]] || to=${word#*=}
      ;;
    *) models+=("$(cd "$from" && realpath -m -- "$word")") ;;
  esac
done
if [[ ${#models[@]} == 0 && " ${flags[*]}" != *" --support="* ]]; then
  $PY -m pose_data.cad_models --out_dir="$WORK_DIR/predict/CAD" --objects_per_class=1
  models=("$WORK_DIR/predict/CAD/chair/01.off")
fi
if [[ -z $to ]]; then
  to=$(basename "${models[0]:-views}")
  to=$WORK_DIR/predict/${to%.*}.png
  [[ ${#models[@]} -lt 2 && ! -d ${models[0]:-} ]] || to=${to%.png}.json
  mkdir -p "$WORK_DIR/predict"
  flags+=("--out=$to")
fi
[[ ${#models[@]} == 0 ]] || flags+=("--CAD=$(IFS=,; echo "${models[*]}")")
$PY -m pose_code.predict --run="${RUN:-pretrained/maml_bbb}" "${flags[@]}"
say "$to"
