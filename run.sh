#!/usr/bin/env bash
# shellcheck disable=SC2034 # the arrays of the presets are read by their names
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
PRESET=${PRESET:-paper}                   # settings of the tables: paper, for a GPU, or small, for CPU cores
JOBS=${JOBS:-$(nproc)}                    # runs side by side, which share the cores; with one GPU: 1
METHODS=${METHODS:-finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb}  # what a table trains
BETAS=${BETAS:-0 1e-6 1e-5 1e-4 1e-3 1e-2 1e-1 1}  # grid of figure2 and search
RATES=${RATES:-1e-4 5e-4 1e-3}            # grid of learning rates of search
PYTHON=${PYTHON:-python3}                 # makes the virtual environment .venv

# A preset: PRESET=(settings of all methods), PRESET_method=(its own). Flags after a method in a table come last.
#
# paper: where the paper's settings differ from the scripts' defaults, which are upstream's with its iterations.
PAPER=()
PAPER_finetune=(--update_lr=0.01)
PAPER_maml_vanilla=(--update_lr=0.01 --update_batch_size=15)
PAPER_maml_bbb=(--update_lr=0.01 --beta=1e-1)
PAPER_maml_ib=(--update_lr=0.01)
PAPER_np_vanilla=()
PAPER_np_bbb=(--beta=1e-3)
PAPER_np_ib=()
PAPER_np_all_bbb=(--beta=1e-3)

# small: hours of two cores. Against the paper's: images of 64x64 (block means), a smaller MAML head (10x10 code, 32
# filters), 3 inner steps for 5, fewer iterations, and for those a faster rho (MR-CNP) and a smaller beta and a narrower
# posterior to start from (MR-MAML). beta and learning rates: `bash run.sh search METHOD`, on validation objects.
SMALL=(--dim_im=64)
SMALL_np_vanilla=(--num_updates=3000)
SMALL_np_bbb=(--num_updates=20000 --update_lr=1e-3 --rho_lr=2e-3 --beta=1e-3)
SMALL_np_all_bbb=("${SMALL_np_bbb[@]}")
SMALL_np_ib=(--num_updates=6000)
SMALL_maml=(--num_updates=3 --update_lr=0.01 --update_batch_size=15 --dim_w=100 --num_filters=32 --meta_lr=2e-3
            --metatrain_iterations=1500)
SMALL_maml_vanilla=("${SMALL_maml[@]}" --meta_lr=1e-3)
SMALL_maml_bbb=("${SMALL_maml[@]}" --beta=1e-4 --var=-5)
SMALL_maml_ib=("${SMALL_maml[@]}")
SMALL_finetune=(--summary_every=200 --update_lr=0.01 --update_batch_size=15 --dim_w=100 --num_filters=32 --metatrain_iterations=3000)

# quick: half an hour of two cores, a taste of the small preset.
QUICK=(--dim_im=64 --eval_episodes=2 --num_theta_samples=3)
QUICK_np_vanilla=(--num_updates=1500)
QUICK_np_bbb=(--num_updates=4000 --update_lr=1e-3 --rho_lr=2e-3)
QUICK_maml=("${SMALL_maml[@]}" --metatrain_iterations=300 --summary_every=10 --checkpoint_every=50)
QUICK_maml_vanilla=("${QUICK_maml[@]}" --noweight_decay)
QUICK_maml_bbb=("${QUICK_maml[@]}" --beta=1e-4 --var=-5)
# ---------------------------------------------------------------------------------------------------------------------

ALL_METHODS="finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb"
TABLE2=("maml_vanilla" "maml_vanilla --noweight_decay" np_bbb maml_bbb np_vanilla finetune "finetune --weight_decay"
        maml_ib np_ib)
TABLE3=(np_bbb np_all_bbb np_vanilla "np_vanilla --weight_decay")
PY=.venv/bin/python
MODELS_NAME=${CAD_DIR:-embedded}
MODELS_NAME=${MODELS_NAME#/}
DATA_DIR=${DATA_DIR:-$WORK_DIR/${MODELS_NAME//\//-}}
LOG_DIR=${LOG_DIR:-$DATA_DIR/logs}
SINUSOID_DIR=$WORK_DIR/sinusoid

usage() {
  cat <<'EOF'
bash run.sh [SUB-COMMAND]

  quick           (the default) set-up, data, CNP, MR-CNP(W), MAML and MR-MAML(W) in a short preset, their table
  setup           the virtual environment .venv and, where it is missing, an OpenGL that draws without a screen
  data            CAD models -> renders -> resized images -> train_data.pkl, val_data.pkl
  train METHOD [FLAGS]   one training script on that data, with the preset's settings; METHOD is one of
                  finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb
  table2, table3  the paper's tables: every method, TRIALS trials
  figure2         error against beta; figure9: against the learning rate. Runs that a table made are used again
  search METHOD   the paper's grids of learning rate and beta, on validation objects taken from the training objects;
                  with a flag: search "np_vanilla --weight_decay"
  table1          the sinusoid by the released notebooks' protocol and by the text's: six methods, 5 and 10 shots,
                  TRIALS trials, 15 minutes on two cores; no data needed
  figure5, figure6   from the runs of table1: error against inner-loop steps; the first layer's weights
  search_table1   the settings tried for the text's protocol, on training amplitudes held out for it
  smoke           the whole road with every script and tiny numbers, some minutes
  test            set-up and all tests
  clean           delete WORK_DIR (models, renders, pickles, logs)

quick, tables, figures 2 and 9 and search run a list of commands and take
  --dry_run       print every command and the estimated hours on this machine, train nothing
  --slurm --slurm_parameters=slurm_partition=gpu,gpus_per_node=1   submit the list as one job array and wait for it

Variables (see the top of run.sh): WORK_DIR CAD_DIR DATA_DIR LOG_DIR TRIALS PRESET JOBS METHODS BETAS RATES PYTHON
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

browser() {  # for the test of the HTML report, which is skipped without one
  if [[ $(id -u) == 0 ]] && ! command -v chromium-headless-shell chromium google-chrome >/dev/null; then
    mkdir -p "$WORK_DIR"
    apt-get install -y --no-install-recommends chromium-headless-shell >"$WORK_DIR/browser.log" 2>&1 || true
  fi
}

data() {
  setup
  mkdir -p "$DATA_DIR"
  if [[ -f $DATA_DIR/train_data.pkl && -f $DATA_DIR/val_data.pkl ]] ||
    [[ -d $DATA_DIR/train_data && -d $DATA_DIR/val_data ]]; then  # shards
    [[ $# == 0 ]] || die "$DATA_DIR has its data; another DATA_DIR takes data with other flags"
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

preset_flags() {  # METHOD: into the array preset_flags
  local common=${PRESET^^} own=${PRESET^^}_$1
  [[ $(declare -p "$common" 2>/dev/null) == "declare -a"* ]] || die "PRESET=$PRESET: no such preset; give paper or small"
  local -n common_flags=$common own_flags=$own
  preset_flags=(${common_flags[@]+"${common_flags[@]}"} ${own_flags[@]+"${own_flags[@]}"})
}

quoted() {  # WORDS...: as Python's shlex reads them; printf %q writes $'\303\251' for an e with an accent
  local word
  for word; do
    [[ $word != *$'\n'* ]] || die "$word: a folder's name may not have a newline in it"
    printf "'%s' " "${word//\'/\'\\\'\'}"
  done
}

runs() {  # LOG_DIR ROW...: the list for the launcher, a line a trial of a row; a row is a method and its flags
  local folder=$1 trial row
  for row in $METHODS; do
    [[ " $ALL_METHODS " == *" $row "* ]] || die "METHODS: no method $row; give some of $ALL_METHODS, with blanks between"
  done
  for trial in $(seq "$TRIALS"); do
    for row in "${@:2}"; do
      read -ra row <<<"$row"
      [[ " $METHODS " == *" ${row[0]} "* ]] || continue
      preset_flags "${row[0]}"
      quoted "pose_code.${row[0]}" --data_dir="$DATA_DIR" --logdir="$folder" "${preset_flags[@]}" "${row[@]:1}"
      printf -- '--trial=%s\n' "$trial"
    done
  done
}

sweep() {  # FLAGS...: the list on standard input, JOBS at a time
  $PY -m pose_code.sweep --jobs="$JOBS" "$@"
}

dry() {  # FLAGS...: whether --dry_run is among them
  [[ " $*" == *" --dry_run"* ]]
}

quick() {  # FLAGS...
  data
  say "Training MAML, MR-CNP(W), MR-MAML(W) and CNP, about 20 minutes on two cores"
  PRESET=quick TRIALS=1 runs "$LOG_DIR/quick" maml_vanilla np_bbb maml_bbb np_vanilla | sweep "$@" || failed=1
  dry "$@" && return
  say "Meta-test error on held-out objects, MSE in units of (36 degrees)^2; a constant prediction has 8.33"
  summarize "$DATA_DIR/quick" --logdir="$LOG_DIR/quick"
}

summarize() {  # PREFIX FLAGS...
  local prefix=$1
  $PY -m pose_code.summarize --out="$prefix" --bars="$prefix.png" --figure="$prefix-curves.png" \
    --html="$prefix.html" "${@:2}"
  printf '\ntable, pictures, report: %s.md, .csv, .png, -curves.png, .html\n' "$prefix"
}

train() {  # METHOD FLAGS...
  preset_flags "$1"
  $PY -m "pose_code.$1" --data_dir="$DATA_DIR" --logdir="$LOG_DIR/$PRESET" "${preset_flags[@]}" "${@:2}"
}

paper_table() {  # NAME KEYS FLAGS..., the rows in the array NAME: train what is missing, write the table
  local name=$1 keys=$2
  local -n rows=${name^^}
  shift 2
  data
  say "$name, preset $PRESET, $TRIALS trials of ${#rows[@]} rows, $JOBS runs at a time"
  runs "$LOG_DIR/$PRESET" "${rows[@]}" | sweep "$@" || failed=1
  dry "$@" || summarize "results/$name" --logdir="$LOG_DIR/$PRESET" --methods="$keys"
}

grid() {  # NAME FLAG "VALUE..." "METHOD..." FLAGS...: the error of methods against a flag; a table's runs are used again
  local name=$1 flag=$2 values=$3 methods=$4 value method
  shift 4
  data
  say "$name, preset $PRESET, $TRIALS trials of $methods at --$flag=${values// /,}, $JOBS runs at a time"
  for value in $values; do
    for method in $methods; do
      preset_flags "$method"
      if [[ " ${preset_flags[*]} " == *" --$flag=$value "* ]]; then
        runs "$LOG_DIR/$PRESET" "$method"
      else
        runs "$LOG_DIR/$PRESET-$name" "$method --$flag=$value"
      fi
    done
  done | sweep "$@" || failed=1
  dry "$@" && return
  mkdir -p "$LOG_DIR/$PRESET" "$LOG_DIR/$PRESET-$name"
  $PY -m pose_code.summarize --logdir="$LOG_DIR/$PRESET,$LOG_DIR/$PRESET-$name" --methods="${methods// /,}" \
    --against="$flag" --figure="results/$name.png" --out="results/$name"
}

search() {  # ROW FLAGS...: the paper's grids for a row of a table, on validation objects out of the training objects
  local searched=$1 method=${1%% *} betas=$BETAS rate_flag=meta_lr rate beta row rows=()
  shift
  data
  local folder=$DATA_DIR/search
  local logs=$folder/logs/$PRESET/${searched// /}
  if [[ ! -f $folder/test_data.pkl ]]; then
    $PY -m pose_data.data_gen --data_dir="$DATA_DIR/rotate_resize" --out_dir="$folder" \
      --num_test_objects=15 --num_val_objects=12
  fi
  [[ $method != np_* ]] || rate_flag=update_lr
  [[ $searched != np_vanilla && $searched != finetune && $searched != *--noweight_decay* ]] || betas=
  for rate in $RATES; do
    rows+=("$searched --$rate_flag=$rate"${betas:+" --beta="})
  done
  say "search $searched, preset $PRESET: learning rates $RATES${betas:+, beta $betas}; $TRIALS trials each"
  for row in "${rows[@]}"; do
    for beta in ${betas:-""}; do
      DATA_DIR=$folder runs "$logs" "$row$beta"
    done
  done | sweep "$@" || failed=1
  dry "$@" || $PY -m pose_code.summarize --logdir="$logs" --best
}

table1() {
  setup
  local method shots own
  say "Table 1: the released protocol and the text's, six methods, 5 and 10 shots, $TRIALS trials each; 15 minutes on two cores"
  for method in cnp_weights maml_weights cnp_activations maml_activations cnp_none maml_none; do  # the longest first
    table1_run released "$method"  # trains with 10 shots and evaluates with 5 and 10, as the notebooks do
    for shots in 10 5; do
      own=$method
      [[ ! -f presets/sinusoid/text/${method}_$shots.cfg ]] || own=${method}_$shots
      table1_run text "$own" --update_batch_size="$shots"
    done
  done | sweep "$@" || failed=1
  dry "$@" && return
  sinusoid_report --table1=results/table1 --bars=results/table1.png
}

table1_run() {  # PROTOCOL METHOD FLAGS...: a line for the launcher
  quoted "sinusoid.${2%%_*}" --flagfile="presets/sinusoid/$1/$2.cfg" "${@:3}" --logdir="$SINUSOID_DIR/$1" --num_trials="$TRIALS"
  printf '\n'
}

sinusoid_report() {  # FLAGS...
  setup
  local protocol folders=()
  for protocol in released text; do
    [[ ! -d $SINUSOID_DIR/$protocol ]] || folders+=("$SINUSOID_DIR/$protocol")
  done
  [[ ${#folders[@]} -gt 0 ]] || die "$SINUSOID_DIR: no runs yet; run: bash run.sh table1"
  $PY -m sinusoid.report --logdir="$(IFS=,; printf %s "${folders[*]}")" "$@"
}

search_table1() {  # every setting of sinusoid/search.txt, on held-out amplitudes; prints their errors
  setup
  say "Settings for the text's protocol, on 4 of the 20 training amplitudes, held out"
  local script line i=0
  while read -r script line; do
    i=$((i + 1))
    printf 'sinusoid.%s --num_heldout_amplitudes=4 --num_trials=3 %s ' "$script" "$line"
    quoted --logdir="$SINUSOID_DIR/search/$i"
    printf '\n'
  done <sinusoid/search.txt | sweep || failed=1
  $PY -m pose_code.summarize --logdir="$SINUSOID_DIR/search" --out="$SINUSOID_DIR/search/table"
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
  for method in $ALL_METHODS; do
    case $method in
      np_*) flags=(--num_updates=2) ;;
      finetune) flags=(--metatrain_iterations=2 --test_num_updates=2 --num_filters=8) ;;
      maml_*) flags=(--metatrain_iterations=2 --test_num_updates=2 --num_filters=8 --num_updates=2) ;;
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
}

failed=0  # 1 if runs of a list failed: they are named, the others are summarized, and that is the exit status
command=${1:-quick}
[[ $# == 0 ]] || shift
case $command in
  setup) setup && opengl ;;
  data) data "$@" ;;
  quick) quick "$@" ;;
  train)
    [[ $# -gt 0 && " $ALL_METHODS " == *" $1 "* ]] || die "train: give one of $ALL_METHODS"
    data
    train "$@"
    ;;
  table2) paper_table table2 "finetune,finetune+wd,maml_vanilla,maml_vanilla+wd,maml_bbb,maml_ib,np_vanilla,np_bbb,np_ib" "$@" ;;
  table3) paper_table table3 "np_vanilla,np_vanilla+wd,np_all_bbb,np_bbb" "$@" ;;
  figure2) grid figure2 beta "$BETAS" "np_bbb maml_bbb" "$@" ;;
  figure9) grid figure9 update_lr "1e-5 1e-4 1e-3" "np_ib np_bbb" "$@" ;;
  search)
    [[ $# -gt 0 && " $ALL_METHODS " == *" ${1%% *} "* ]] || die "search: give one of $ALL_METHODS, with flags in quotes"
    search "$@"
    ;;
  table1) table1 "$@" ;;
  figure5 | figure6) sinusoid_report "--$command=results/$command.png" ;;
  search_table1) search_table1 ;;
  smoke) smoke ;;
  test)
    setup "[test]"
    opengl
    browser
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    $PY -m pytest -q -n auto --dist worksteal "$@"
    ;;
  clean) rm -rf "$WORK_DIR" ;;
  help | -h | --help) usage ;;
  *) usage >&2 && die "no sub-command $command" ;;
esac
exit $failed
