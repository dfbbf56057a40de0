#!/usr/bin/env bash
# One entry point: set-up, data, tests, and every script of experiments/ by its name, such as bash run.sh table2.
# `bash run.sh help` lists them. Finished stages are skipped, interrupted ones resume.
set -euo pipefail
for folder in WORK_DIR CAD_DIR DATA_DIR LOG_DIR SOURCE_DIR RUN; do  # a relative path starts where the command was given
  [[ -z ${!folder:-} ]] || printf -v "$folder" %s "$(realpath -m -- "${!folder}")"
done
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
source experiments/env.sh  # what people edit: WORK_DIR, CAD_DIR, PRESET, TRIALS, JOBS, ...

usage() {
  cat <<'EOT'
bash run.sh [SUB-COMMAND]

  setup           the virtual environment .venv and, where it is missing, an OpenGL that draws without a screen
  data [FLAGS]    CAD models -> renders -> resized images -> train_data.pkl, val_data.pkl (FLAGS of data_gen.py)
  train METHOD [FLAGS]   one training script on that data, with the settings of PRESET; METHOD is one of
                  finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb
  test [FLAGS]    set-up and all tests (FLAGS of pytest)
  clean           delete WORK_DIR (models, renders, pickles, logs)

and the scripts of experiments/, whose first lines say what they run, what it costs and what to expect:

EOT
  local script
  for script in experiments/*.sh; do
    [[ $script == */env.sh ]] || printf '  %-15s %s\n' "$(basename "$script" .sh)" "$(sed -n '1s/^# //p' "$script")"
  done
  cat <<'EOT'

Those that train a list of runs take
  --dry_run       print every command and the estimated hours on this machine, train nothing
  --slurm --slurm_parameters=slurm_partition=gpu,gpus_per_node=1   submit the list as one job array and wait for it

Runs of the poses are in LOG_DIR/PRESET, their tables in DATA_DIR/tables; the others' in WORK_DIR.

Variables, such as TRIALS=1 PRESET=small bash run.sh table2 (see experiments/env.sh):
  WORK_DIR CAD_DIR DATA_DIR LOG_DIR PRESET TRIALS SPLITS JOBS METHODS BETAS RATES DATA SOURCE_DIR SHOTS PYTHON
EOT
}

is_set_up() {  # LINES: whether .venv has what these lines of its list say
  local line
  for line in "$@"; do grep -qxFe "$line" .venv/installed 2>/dev/null || return; done
  $PY -c '' 2>/dev/null
}

setup() {  # [EXTRAS]
  local extras=${1:-} tensorflow=() wanted
  ! nvidia-smi -L 2>/dev/null | grep -q GPU || tensorflow=("tensorflow[and-cuda]")
  wanted=("$(cat requirements.txt pyproject.toml | cksum)" "${tensorflow[@]}" ${extras:+"$extras"})
  ! is_set_up "${wanted[@]}" || return 0
  one_at_a_time . "another set-up"
  is_set_up "${wanted[@]}" || install
  exec 9<&-
}

one_at_a_time() {  # FOLDER WHAT: take the folder's lock, as file descriptor 9, when another run.sh has let go of it
  local status=0
  exec 9<"$1"
  flock --nonblock 9 2>/dev/null || status=$?
  [[ $status != 1 ]] || { say "Waiting for $2"; flock 9; }  # another status: the disk has no locks
}

install() {  # what `wanted` says; lists that are training go on with the .venv that is there
  say "Set-up: virtual environment .venv with TensorFlow for ${tensorflow:+an NVIDIA GPU, and }the CPU, and MuJoCo," \
    "2 to 5 minutes with the downloads"
  if ! $PY -m pip --version >/dev/null 2>&1; then
    command -v "$PYTHON" >/dev/null || die "$PYTHON: no such program; set PYTHON to a Python 3.10 to 3.13"
    "$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
      die "$("$PYTHON" --version) cannot run TensorFlow; set PYTHON to a Python 3.10 to 3.13"
    "$PYTHON" -m venv --clear .venv ||
      die "$PYTHON cannot make a virtual environment; on Debian: apt-get install python3-venv"
  fi
  if is_set_up "${wanted[0]}"; then wanted+=("$(cat .venv/installed)"); fi  # other extras of the same packages
  rm -f .venv/installed
  $PY -m pip install --quiet --disable-pip-version-check -r requirements.txt "${tensorflow[@]}"
  $PY -m pip install --quiet --disable-pip-version-check -e ".$extras"
  printf '%s\n' "${wanted[@]}" >.venv/installed
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

has_data() {  # FOLDER: pickles or shards
  [[ (-f $1/train_data.pkl && -f $1/val_data.pkl) || (-d $1/train_data && -d $1/val_data) ]]
}

data() {  # FLAGS of data_gen...
  setup
  if has_data "$DATA_DIR"; then
    [[ $# == 0 ]] || die "$DATA_DIR has its data; another DATA_DIR takes data with other flags"
    local of
    of=$(cad_dir_of "$DATA_DIR")
    [[ -z $CAD_DIR || -z $GIVEN_DATA_DIR || $CAD_DIR == "$of" ]] ||  # else the folder's name is made of CAD_DIR
      die "CAD_DIR=$CAD_DIR: $DATA_DIR has its data, of ${of:-models that are not recorded}; leave it out, or give another DATA_DIR"
    return
  fi
  [[ -z $CAD_DIR || -d $CAD_DIR ]] || die "CAD_DIR=$CAD_DIR: no such folder; give the folder that holds CLASS/OBJECT.off"
  [[ -d $DATA_DIR/rotate || ! -d $DATA_DIR/rotate_resize ]] ||
    die "$DATA_DIR/rotate_resize: its rotate/, of which it would be made anew, is gone; run data_gen.py on it, or move it away"
  opengl
  mkdir -p "$DATA_DIR"
  one_at_a_time "$DATA_DIR" "another launch, which makes the data of $DATA_DIR"
  if has_data "$DATA_DIR"; then
    data "$@"  # which may not be those asked for
  else
    make_data "$@"
  fi
  exec 9<&-
}

cad_dir_of() {  # FOLDER: the models that its views are of, if that is recorded
  $PY -c 'import json, sys; print(json.load(open(sys.argv[1]))["CAD_dir"])' "$1/render_settings.json" 2>/dev/null || true
}

make_data() {  # FLAGS of data_gen...
  local cad_dir=$CAD_DIR
  if [[ -z $cad_dir ]]; then
    cad_dir=$DATA_DIR/CAD
    say "Embedded CAD models, some seconds"
    $PY -m pose_data.cad_models --out_dir="$cad_dir" --zero=half
  fi
  say "Rendering 100 views of each model, 1 to 3 minutes on two cores"
  $PY -m pose_data.mujoco_render --CAD_dir="$cad_dir" --data_dir="$DATA_DIR" --contact_sheet="$DATA_DIR/contact_sheet.png"
  say "Resizing to 128x128 grey, half a minute"
  rm -rf "$DATA_DIR/rotate_resize"  # of an earlier call: cut short, or from before a model was added or replaced
  cp -r "$DATA_DIR/rotate" "$DATA_DIR/rotate_resize"
  $PY -m pose_data.resize_images --data_dir="$DATA_DIR/rotate_resize"
  say "Pickling"
  $PY -m pose_data.data_gen --data_dir="$DATA_DIR/rotate_resize" --out_dir="$DATA_DIR" "$@"
}

command=${1:-quick}
[[ $# == 0 ]] || shift
case $command in
  setup)
    no_flags setup "$@"
    setup
    opengl
    ;;
  data) data "$@" ;;
  train)
    [[ $# -gt 0 && " $ALL_METHODS " == *" $1 "* ]] || die "train: give one of $ALL_METHODS"
    preset "$1"
    data
    from_there "data_dir logdir flagfile" "${@:2}"
    $PY -m "pose_code.$1" --flagfile="$P/$1.cfg" --data_dir="$DATA_DIR" --logdir="$LOG_DIR/$PRESET-train" "${words[@]}"
    ;;
  test)
    setup "[test]"
    opengl
    browser
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    $PY -m pytest -q -n auto --dist worksteal "$@"
    ;;
  clean) no_flags clean "$@" && rm -rf "$WORK_DIR" ;;
  help | -h | --help) usage ;;
  *)
    [[ $command != env && -f experiments/$command.sh ]] || { usage >&2; die "no sub-command $command"; }
    source "experiments/$command.sh" "$@"
    ;;
esac
[[ $failed == 0 ]] || die "runs of the list failed or were refused, see above; tables and pictures are without them"
