#!/usr/bin/env bash
# shellcheck disable=SC2034 # PAPER_* and QUICK_* are read by their names
# Everything on one command: bash run.sh. `bash run.sh help` lists the sub-commands.
# Every stage is skipped when its result is there, and goes on where it was when it was interrupted.
set -euo pipefail
for folder in WORK_DIR CAD_DIR DATA_DIR LOG_DIR; do  # a relative path is one from where the command was given
  [[ -z ${!folder:-} ]] || printf -v "$folder" %s "$(realpath -m -- "${!folder}")"
done
cd "$(dirname "${BASH_SOURCE[0]}")"

# ---- what people edit; each is also an environment variable: TRIALS=1 bash run.sh table2 ----------------------------
WORK_DIR=${WORK_DIR:-work_dir}            # all that is made: models, renders, pickles, logs, tables
CAD_DIR=${CAD_DIR:-}                      # a PASCAL3D+ CAD folder; empty: the embedded models, which are made
DATA_DIR=${DATA_DIR:-}                    # renders and pickles; empty: a folder of WORK_DIR named after CAD_DIR
LOG_DIR=${LOG_DIR:-}                      # run folders; empty: DATA_DIR/logs
TRIALS=${TRIALS:-5}                       # trials of the tables
PYTHON=${PYTHON:-python3}                 # makes the virtual environment .venv

# The paper's settings where they differ from the scripts' defaults (inner step 0.01, K = 15, beta 0.1 for MR-MAML).
# Its tables do not state the iterations; the scripts' defaults are upstream's.
PAPER_finetune=(--update_lr=0.01)
PAPER_maml_vanilla=(--update_lr=0.01 --update_batch_size=15)
PAPER_maml_bbb=(--update_lr=0.01 --beta=0.1)

# The quick preset: half an hour on two cores instead of days. Against the paper's: images of 64x64 (block means), a
# smaller MAML head (10x10 code, 32 filters) and 3 inner steps for 5, few iterations, and for those a faster rho
# (MR-CNP) and a smaller beta and narrower posterior to start from (MR-MAML). Chosen on 12 of PASCAL3D+'s training objects.
QUICK=(--dim_im=64 --eval_episodes=2 --num_theta_samples=3)
QUICK_np_vanilla=(--num_updates=1500)
QUICK_np_bbb=(--num_updates=4000 --update_lr=1e-3 --rho_lr=2e-3)
QUICK_maml=(--metatrain_iterations=300 --num_updates=3 --meta_lr=2e-3 --update_lr=0.01 --update_batch_size=15 --dim_w=100
            --num_filters=32 --summary_every=10 --checkpoint_every=50)
QUICK_maml_vanilla=("${QUICK_maml[@]}" --noweight_decay)
QUICK_maml_bbb=("${QUICK_maml[@]}" --beta=1e-4 --var=-5)

# Table 1. MAML and CNP: upstream's settings. The regularized columns: chosen by `bash run.sh search_table1` on training
# amplitudes held out for it.
TABLE1_maml_none=()
TABLE1_maml_activations=(--beta=0.5 --num_updates=5)
TABLE1_maml_weights=(--var=-1 --beta=1e-3 --meta_batch_size=25 --update_lr=1e-3)
TABLE1_cnp_none=(--update_lr=1e-4)
TABLE1_cnp_activations=(--beta=300 --update_lr=1e-4)
TABLE1_cnp_weights=(--var=-3 --beta=0.3 --meta_batch_size=10)
# ---------------------------------------------------------------------------------------------------------------------

LANE_THREADS=$((($(nproc) + 1) / 2))      # two runs side by side share the cores
METHODS="finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb"
PY=.venv/bin/python
MODELS_NAME=${CAD_DIR:-embedded}
MODELS_NAME=${MODELS_NAME#/}
DATA_DIR=${DATA_DIR:-$WORK_DIR/${MODELS_NAME//\//-}}
LOG_DIR=${LOG_DIR:-$DATA_DIR/logs}
SINUSOID_DIR=$WORK_DIR/sinusoid

usage() {
  cat <<'EOF'
bash run.sh [SUB-COMMAND]

  quick           (the default) set-up, data, CNP, MR-CNP(W), MAML and MR-MAML(W) in a small preset, their table
  setup           the virtual environment .venv and, where it is missing, an OpenGL that draws without a screen
  data            CAD models -> renders -> resized images -> train_data.pkl, val_data.pkl
  train METHOD [FLAGS]   one training script on that data, with the paper's settings; METHOD is one of
                  finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb
  table2, table3  the paper's tables: every method, TRIALS trials, upstream's iterations (for a GPU: days on a CPU)
  table1          the sinusoid: six methods, 5 and 10 shots, TRIALS trials, half an hour on two cores; no data needed
  figure5, figure6   from the runs of table1: error against inner-loop steps; the first layer's weights
  search_table1   the settings tried for table1, on training amplitudes held out for it
  smoke           the whole road with every script and tiny numbers, some minutes
  test            set-up and all tests
  clean           delete WORK_DIR (models, renders, pickles, logs)

Variables (see the top of run.sh): WORK_DIR CAD_DIR DATA_DIR LOG_DIR TRIALS PYTHON
EOF
}

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

setup() {
  local installed=.venv/installed wanted extras=${1:-}
  wanted="$(cat requirements.txt pyproject.toml | cksum) $extras"
  if [[ -f $installed ]] && grep -qxF -e "$wanted" -e "${wanted}[test]" "$installed" && $PY -c '' 2>/dev/null; then
    return
  fi
  say "Set-up: virtual environment .venv with TensorFlow and MuJoCo, 2 to 5 minutes with the downloads"
  command -v "$PYTHON" >/dev/null || die "$PYTHON: no such program; set PYTHON to a Python 3.10 to 3.13"
  "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    die "$("$PYTHON" --version) cannot run TensorFlow; set PYTHON to a Python 3.10 to 3.13"
  "$PYTHON" -m venv --clear .venv || die "$PYTHON cannot make a virtual environment; on Debian: apt-get install python3-venv"
  $PY -m pip install --quiet --disable-pip-version-check -r requirements.txt
  $PY -m pip install --quiet --disable-pip-version-check -e ".$extras"
  printf '%s\n' "$wanted" >"$installed"
}

opengl() {
  local probe='from pose_data.mujoco_render import choose_gl_backend as f; f()'
  local packages='apt-get update && apt-get install -y libegl1 libgl1-mesa-dri libosmesa6'
  $PY -c "$probe" 2>/dev/null && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "OpenGL that draws without a screen: installing Debian's packages"
    mkdir -p "$WORK_DIR"
    bash -c "$packages" >"$WORK_DIR/apt.log" 2>&1 || die "apt-get failed, see $WORK_DIR/apt.log; run: $packages"
    $PY -c "$probe" || die "still no OpenGL; see the line above"
  else
    die "no OpenGL that draws without a screen; run: sudo sh -c '$packages'"
  fi
}

data() {
  setup
  mkdir -p "$DATA_DIR"
  if [[ -f $DATA_DIR/train_data.pkl && -f $DATA_DIR/val_data.pkl ]]; then
    return
  fi
  opengl
  local cad_dir=$CAD_DIR
  if [[ -z $cad_dir ]]; then
    cad_dir=$WORK_DIR/CAD
    say "Embedded CAD models, some seconds"
    $PY -m pose_data.cad_models --out_dir="$cad_dir"
  fi
  say "Rendering 100 views of each model, 1 to 3 minutes on two cores"
  $PY -m pose_data.mujoco_render --CAD_dir="$cad_dir" --data_dir="$DATA_DIR" --contact_sheet="$DATA_DIR/contact_sheet.png"
  say "Resizing to 128x128 grey, half a minute"
  if [[ ! -d $DATA_DIR/rotate_resize ]]; then  # whole or not at all: a copy cut short would hold broken images
    rm -rf "$DATA_DIR/rotate_copy"
    cp -r "$DATA_DIR/rotate" "$DATA_DIR/rotate_copy"
    mv "$DATA_DIR/rotate_copy" "$DATA_DIR/rotate_resize"
  fi
  $PY -m pose_data.resize_images --data_dir="$DATA_DIR/rotate_resize"
  say "Pickling"
  $PY -m pose_data.data_gen --data_dir="$DATA_DIR/rotate_resize" --out_dir="$DATA_DIR" "$@"
}

train() {  # METHOD LOG_DIR FLAGS...
  local method=$1 log_dir=$2
  shift 2
  $PY -m "pose_code.$method" --data_dir="$DATA_DIR" --logdir="$log_dir" "$@"
}

train_paper() {  # METHOD FLAGS...: the paper's settings
  local method=$1
  local -n settings=PAPER_$method
  shift
  train "$method" "$LOG_DIR/paper" ${settings[@]+"${settings[@]}"} "$@"
}

train_quick() {  # METHOD...: one after the other, each line marked with its method
  local method
  for method in "$@"; do
    local -n settings=QUICK_$method
    train "$method" "$LOG_DIR/quick" "${QUICK[@]}" --num_threads="$LANE_THREADS" "${settings[@]}" 2>&1 |
      grep --line-buffered -v '^[IW]0000\|^WARNING: All log messages' | sed -u "s/^/[$method] /"  # TensorFlow's chatter
  done
}

quick() {
  data
  say "Training CNP and MR-CNP(W) beside MAML and MR-MAML(W), about 20 minutes on two cores"
  local np_lane maml_lane failed=0
  set -m  # each lane is a process group of its own, which Ctrl-C can end whole
  train_quick np_vanilla np_bbb &
  np_lane=$!
  train_quick maml_vanilla maml_bbb &
  maml_lane=$!
  trap 'kill -- -$np_lane -$maml_lane 2>/dev/null; die "interrupted; run again to go on"' INT TERM
  set +m
  wait $np_lane || failed=1
  wait $maml_lane || failed=1
  trap - INT TERM
  ((failed == 0)) || die "a training run failed, see its error line above; the others are kept, run again to go on"
  say "Meta-test error on held-out objects, MSE in units of (36 degrees)^2; a constant prediction has 8.33"
  summarize "$LOG_DIR/quick" "$DATA_DIR/quick"
}

summarize() {  # LOG_DIR PREFIX
  $PY -m pose_code.summarize --logdir="$1" --out="$2" --figure="$2.png"
  printf '\ntable and curves: %s.md, %s.csv, %s.png\n' "$2" "$2" "$2"
}

paper_table() {  # NAME, then method or method:flag
  local name=$1 run trial flags
  shift
  data
  for trial in $(seq "$TRIALS"); do
    for run in "$@"; do
      say "$name, trial $trial of $TRIALS: ${run/:/ }"
      read -ra flags <<<"${run/:/ }"  # method, and a flag if there is one
      train_paper "${flags[@]}" --trial="$trial"
    done
  done
  summarize "$LOG_DIR/paper" "$DATA_DIR/$name"
}

sinusoid_cell() {  # SCRIPT FLAGS...: all trials of one cell side by side, each line marked
  local name="$*" script=$1
  shift
  $PY -m "sinusoid.$script" "$@" 2>&1 |
    grep --line-buffered -v '^[IW]0000\|^WARNING: All log messages' | sed -u "s/^/[${name%% --logdir*}] /"
}

table1() {
  setup
  local shots method
  say "Table 1: six methods, 5 and 10 shots, $TRIALS trials each; half an hour on two cores, one cell a core"
  for shots in 10 5; do
    for method in cnp_weights cnp_activations maml_weights cnp_none maml_activations maml_none; do  # the longest first
      local -n settings=TABLE1_$method
      printf '%q ' "${method%_*}" --regularizer="${method#*_}" --update_batch_size="$shots" --logdir="$SINUSOID_DIR" \
        --num_trials="$TRIALS" ${settings[@]+"${settings[@]}"}
      printf '\n'
    done
  done | run_cells || die "a training run failed, see its error line above; the others are kept, run again to go on"
  sinusoid_report --table1=results/table1 --bars=results/table1.png
}

run_cells() {  # standard input: lines of arguments of sinusoid_cell; as many at a time as there are cores
  export -f sinusoid_cell
  export PY
  tr '\n' '\0' | xargs -0 -P "$(nproc)" -I{} bash -c 'set -o pipefail; sinusoid_cell {}'
}

sinusoid_report() {  # FLAGS...
  setup
  [[ -d $SINUSOID_DIR ]] || die "$SINUSOID_DIR: no runs yet; run: bash run.sh table1"
  $PY -m sinusoid.report --logdir="$SINUSOID_DIR" "$@"
}

search_table1() {  # every setting that was tried, two trials at 5 shots; prints the held-out error of each
  setup
  say "Settings for Table 1, on 4 of the 20 training amplitudes, held out: about an hour on two cores"
  local line i=0
  while read -r line; do
    i=$((i + 1))
    printf '%s --update_batch_size=5 --num_heldout_amplitudes=4 --num_trials=2 --logdir=%q\n' "$line" "$SINUSOID_DIR-search/$i"
  done <sinusoid/search.txt | run_cells || say "some runs diverged, see their error lines above"
  $PY -m sinusoid.report --logdir="$SINUSOID_DIR-search" --table1="$SINUSOID_DIR-search/table"
}

smoke() {
  setup
  mkdir -p "$WORK_DIR"
  DATA_DIR=$(mktemp -d "$WORK_DIR/smoke.XXXXXX")
  trap 'rm -rf "$DATA_DIR"' EXIT
  opengl
  say "Smoke: 12 models x 8 views, then every training script for two iterations; under 5 minutes"
  $PY -m pose_data.cad_models --out_dir="$DATA_DIR/CAD" --objects_per_class=1
  $PY -m pose_data.mujoco_render --CAD_dir="$DATA_DIR/CAD" --data_dir="$DATA_DIR" --num_views=8 --image_size=160
  cp -r "$DATA_DIR/rotate" "$DATA_DIR/rotate_resize"
  $PY -m pose_data.resize_images --data_dir="$DATA_DIR/rotate_resize"
  $PY -m pose_data.data_gen --data_dir="$DATA_DIR/rotate_resize" --out_dir="$DATA_DIR" --num_val_objects=3
  local method flags
  for method in $METHODS; do
    case $method in
      np_*) flags=(--num_updates=2) ;;
      finetune) flags=(--metatrain_iterations=2 --test_num_updates=2 --num_filters=8) ;;
      maml_*) flags=(--metatrain_iterations=2 --test_num_updates=2 --num_filters=8 --num_updates=2) ;;
    esac
    say "$method"
    train "$method" "$DATA_DIR/logs" "${flags[@]}" --update_batch_size=3 --meta_batch_size=2 --eval_episodes=1
  done
  for method in maml cnp; do
    say "sinusoid/$method"
    flags=(--num_updates=2)
    [[ $method == cnp ]] || flags=(--metatrain_iterations=2 --test_num_updates=2 "--eval_num_updates=0,2")
    $PY -m "sinusoid.$method" --logdir="$DATA_DIR/logs" --num_theta_samples=2 "${flags[@]}"
  done
  $PY -m pose_code.summarize --logdir="$DATA_DIR/logs"
}

command=${1:-quick}
[[ $# == 0 ]] || shift
case $command in
  setup) setup && opengl ;;
  data) data "$@" ;;
  quick) quick ;;
  train)
    [[ $# -gt 0 && " $METHODS " == *" $1 "* ]] || die "train: give one of $METHODS"
    data
    train_paper "$@"
    ;;
  table2) paper_table table2 finetune finetune:--weight_decay maml_vanilla maml_bbb np_vanilla np_bbb maml_ib np_ib ;;
  table3) paper_table table3 np_vanilla np_vanilla:--weight_decay np_all_bbb np_bbb ;;
  table1) table1 ;;
  figure5 | figure6) sinusoid_report "--$command=results/$command.png" ;;
  search_table1) search_table1 ;;
  smoke) smoke ;;
  test)
    setup "[test]"
    opengl
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    $PY -m pytest -q -n auto --dist worksteal "$@"
    ;;
  clean) rm -rf "$WORK_DIR" ;;
  help | -h | --help) usage ;;
  *) usage >&2 && die "no sub-command $command" ;;
esac
