# End to end with all scripts that train on poses and sinusoids and tiny numbers, a test of an installation
# Cost: under 5 minutes.
no_flags smoke "$@"
setup
mkdir -p "$WORK_DIR"
DATA_DIR=$(mktemp -d "$WORK_DIR/smoke.XXXXXX")
trap 'rm -rf "$DATA_DIR"' EXIT
opengl
$PY -m pose_data.cad_models --out_dir="$DATA_DIR/CAD" --objects_per_class=1
$PY -m pose_data.mujoco_render --CAD_dir="$DATA_DIR/CAD" --data_dir="$DATA_DIR" --num_views=8 --image_size=160
cp -r "$DATA_DIR/rotate" "$DATA_DIR/rotate_resize"
$PY -m pose_data.resize_images --data_dir="$DATA_DIR/rotate_resize"
$PY -m pose_data.data_gen --data_dir="$DATA_DIR/rotate_resize" --out_dir="$DATA_DIR" --num_val_objects=3
for method in $ALL_METHODS; do
  case $method in
    np_*) flags=(--num_updates=2) ;;
    finetune) flags=(--metatrain_iterations=2 --test_num_updates=2 --num_filters=8) ;;
    *) flags=(--metatrain_iterations=2 --test_num_updates=2 --num_filters=8 --num_updates=2) ;;
  esac
  say "$method"
  $PY -m "pose_code.$method" --data_dir="$DATA_DIR" --logdir="$DATA_DIR/logs" "${flags[@]}" --update_batch_size=3 \
    --meta_batch_size=2 --eval_episodes=1
done
for method in maml cnp; do
  say "sinusoid/$method"
  flags=(--num_updates=2)
  [[ $method == cnp ]] || flags=(--metatrain_iterations=2 --test_num_updates=2 "--eval_num_updates=0,2")
  $PY -m "sinusoid.$method" --logdir="$DATA_DIR/logs" --num_theta_samples=2 "${flags[@]}"
done
$PY -m pose_code.summarize --logdir="$DATA_DIR/logs"
