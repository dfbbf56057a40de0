# Where things are and how much is run. Each can be exported: TRIALS=1 bash run.sh table2
WORK_DIR=${WORK_DIR:-work_dir}    # all that is made: models, renders, pickles, logs, tables
CAD_DIR=${CAD_DIR:-}              # a PASCAL3D+ CAD folder; empty: the embedded models, which are made
DATA_DIR=${DATA_DIR:-}            # renders and pickles; empty: a folder of WORK_DIR for each CAD_DIR
LOG_DIR=${LOG_DIR:-}              # run folders; empty: DATA_DIR/logs
DATA=${DATA:-fonts}               # of table4 and figure10: fonts, omniglot, mini_imagenet
SOURCE_DIR=${SOURCE_DIR:-}        # the archives of Omniglot, or MiniImagenet's images; empty: Omniglot is downloaded
GIVEN_PRESET=${PRESET:-}          # table4 and figure10 have a default of their own
PRESET=${PRESET:-paper}           # a folder of presets/: paper, for a GPU; small, for hours of CPU cores
TRIALS=${TRIALS:-}                # trials of each row; empty: the list's own, 1 to 5
SPLITS=${SPLITS:-trial}           # trial: trial t trains on split t of the objects (data_gen --seed=t); fixed: all on one
JOBS=${JOBS:-$(nproc)}            # runs side by side, which share the cores; with one GPU: 1
METHODS=${METHODS:-}              # what a table or figure trains, such as "np_bbb maml_bbb"; empty: all that it lists
BETAS=${BETAS:-}                  # grid of figure2, search and figure10; empty: theirs
SHOTS=${SHOTS:-}                  # K of table4; empty: 1 5 (1 for quick)
RATES=${RATES:-1e-4 5e-4 1e-3}    # grid of learning rates of search
PYTHON=${PYTHON:-python3}         # makes the virtual environment .venv, where there is none

# ---- what follows is for the scripts of this folder, which run.sh sources after it ----------------------------------
PY=.venv/bin/python
CLASS_METHODS="maml_none maml_taml maml_weights maml_activations joint_finetune joint_nearest"  # of table4
ALL_METHODS="finetune maml_vanilla maml_bbb maml_ib np_vanilla np_bbb np_ib np_all_bbb"
GIVEN_DATA_DIR=$DATA_DIR
if [[ -z $DATA_DIR ]]; then
  DATA_DIR=$WORK_DIR/embedded-half
  [[ -z $CAD_DIR ]] || DATA_DIR=$WORK_DIR/$(basename "$CAD_DIR")-$(cksum <<<"$CAD_DIR" | cut -d' ' -f1)
fi
LOG_DIR=${LOG_DIR:-$DATA_DIR/logs}
SINUSOID_DIR=$WORK_DIR/sinusoid
P=presets/$PRESET
failed=0  # 1 if runs of a list failed: they are named, the others are summarized, and the exit status is 1
for name in WORK_DIR DATA_DIR LOG_DIR; do  # the launcher's list has a line per run
  [[ ${!name} != *[$'\n',]* ]] || die "$name=${!name}: its name may not have a newline or a comma in it"
done
for name in $METHODS; do  # a typing error would train nothing
  [[ " $ALL_METHODS $CLASS_METHODS " == *" $name "* ]] ||
    die "METHODS: no method $name; give some of $ALL_METHODS (table4: $CLASS_METHODS), with blanks between"
done

for name in TRIALS JOBS; do  # empty TRIALS: each list's own number
  [[ -z ${!name} && $name == TRIALS || ${!name} =~ ^[1-9][0-9]*$ ]] || die "$name=${!name}: give a number from 1 on"
done
for value in $SHOTS; do
  [[ $value =~ ^[1-9][0-9]*$ ]] || die "SHOTS=$SHOTS: give numbers from 1 on, with blanks between"
done
for name in BETAS RATES; do
  for value in ${!name}; do
    [[ $value =~ ^([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$ ]] ||
      die "$name=${!name}: $value is no number; give numbers with blanks between"
  done
  printf -v "$name" %s "$(printf '%s\n' ${!name} | awk '!seen[$1 + 0]++' | paste -sd ' ')"  # 1e-2 and 0.01 are one
done
ALL_BETAS=${BETAS:-0 1e-6 1e-5 1e-4 1e-3 1e-2 1e-1 1}
METHODS=$(printf '%s\n' $METHODS | paste -sd ' ')
[[ $SPLITS == trial || $SPLITS == fixed ]] || die "SPLITS=$SPLITS: give trial or fixed"

whole_list() {  # NAME: refuse METHODS, which would be ignored
  [[ -z $METHODS ]] || die "METHODS=$METHODS: $1 trains all of its list; leave it out"
}

preset() {  # METHOD: refuse a PRESET that lacks it
  [[ -f $P/$1.cfg ]] || die "PRESET=$PRESET: there is no $P/$1.cfg; give one of $(cd presets && dirname */"$1.cfg" | xargs)"
}

from_there() {  # "NAME NAME..." FLAGS...: as `words`, a relative path in one of these flags from where the command was given
  local word name path
  words=()
  for word in "${@:2}"; do
    name=${word%%=*} path=${word#*=}
    if [[ $word == --*=?* && " $1 " == *" ${name#--} "* && $path != "~"* ]]; then  # the scripts refuse ~
      word=$name=$(cd "$from" && realpath -m -- "$path")
    fi
    words+=("$word")
  done
}

quoted() {  # WORD: as the launcher reads it
  printf "'%s'" "${1//\'/\'\\\'\'}"
}

splits() {  # NAME FLAGS of data_gen...: the data, and DATA_DIR/NAME-t for each trial t; pose_sweep trains on those
  local trial trials=$TRIALS
  data
  TRIAL_DATA=$DATA_DIR/$1-{trial}
  if [[ $SPLITS == fixed ]]; then
    TRIAL_DATA=$DATA_DIR trials=0
    [[ $1 == split ]] || TRIAL_DATA=$DATA_DIR/$1-1 trials=1
  fi
  for trial in $(seq "$trials"); do
    has_data "$DATA_DIR/$1-$trial" && continue
    [[ -d $DATA_DIR/rotate_resize ]] ||
      die "$DATA_DIR has no rotate_resize to make splits of; SPLITS=fixed trains all trials on its pickles"
    $PY -m pose_data.data_gen --data_dir="$DATA_DIR/rotate_resize" --out_dir="$DATA_DIR/$1-$trial" --seed="$trial" "${@:2}"
  done
}

no_flags() {  # NAME FLAGS...: refuse FLAGS, which would be ignored
  [[ $# == 1 ]] || die "$1 takes no flags; leave out ${*:2}"
}

sweep() {  # FLAGS...: the lines on standard input, JOBS at a time. Interrupted: ends run.sh. Not in a pipe: it sets `failed`
  local status=0
  $PY -m metalearn.sweep --jobs="$JOBS" ${METHODS:+--methods="${METHODS// /,}"} "$@" || status=$?
  ((status < 128)) || exit "$status"
  ((status == 0)) || failed=1
}

logs() {  # where the runs of the lists are; those on one split are apart
  printf %s "$LOG_DIR/$PRESET"
  [[ $SPLITS != fixed ]] || printf %s -fixed
}

pose_sweep() {  # FLAGS...: each line once per trial
  sweep --trials="$TRIALS" "$@" -- --data_dir="$TRIAL_DATA" --logdir="$(logs)"
}

out() {  # NAME: where its table and pictures are written
  printf %s "$DATA_DIR/tables/$1"
  [[ $1 == "$PRESET" ]] || printf %s "-$PRESET"
  [[ $SPLITS != fixed ]] || printf %s -fixed
}

dry() {  # FLAGS...: whether --dry_run is among them
  [[ " $* " == *" --dry_run"* ]]
}

summarize() {  # NAME FLAGS...
  local to
  to=$(out "$1")
  $PY -m pose_code.summarize --out="$to" --bars="$to.png" --figure="$to-curves.png" --html="$to.html" "${@:2}"
  printf '\ntable, pictures, report: %s.md, .csv, .png, -curves.png, .html\n' "$to"
}

grid() {  # NAME FLAG "VALUE..." METHOD...: lines for every value; a value of the preset itself is the table's own run
  local name=$1 flag=$2 value method preset
  for value in $3; do
    for method in "${@:4}"; do
      preset=$(sed -n "s/^--$flag=//p" "$P/$method.cfg")
      if awk -v a="$value" -v b="$preset" 'BEGIN { exit !(b != "" && a + 0 == b + 0) }'; then  # 1e-3 is 0.001
        echo "pose_code.$method --flagfile=$P/$method.cfg"
      else
        echo "pose_code.$method --flagfile=$P/$method.cfg --$flag=$value $(quoted "--logdir=$(logs)-$name")"
      fi
    done
  done
}

train_list() {  # NAME FLAGS...: train the list on standard input, each line once per trial
  splits split </dev/null  # standard input is the list
  say "$1, preset $PRESET, $TRIALS trials, $JOBS runs at a time"
  pose_sweep "${@:2}"
}

table() {  # NAME KEYS FLAGS...: train the list on standard input and write its table
  train_list "$1" "${@:3}"
  dry "${@:3}" || summarize "$1" --logdir="$(logs)" ${2:+--methods="$2"}
}

figure() {  # NAME FLAG,... FOLDER,... METHOD,... FLAGS...: train the list on standard input; error against the first FLAG
  local drawn=${METHODS:-$4}
  train_list "$1" "${@:5}"
  dry "${@:5}" && return
  mkdir -p "$(logs)" "$(logs)-$1"
  $PY -m pose_code.summarize --logdir="$3" --methods="${drawn// /,}" --against="$2" --figure="$(out "$1").png" --out="$(out "$1")"
}

classes() {  # the classes of DATA in CLASS_DIR, and TRIALS, SHOTS and P, the presets, of the classification tables
  case $DATA in
    fonts)
      PRESET=${GIVEN_PRESET:-quick}
      [[ -z $SOURCE_DIR ]] || die "SOURCE_DIR=$SOURCE_DIR: DATA=fonts has none; leave it out, or give another DATA"
      ;;
    omniglot) PRESET=${GIVEN_PRESET:-small} ;;
    mini_imagenet)
      PRESET=mini_imagenet
      [[ ${GIVEN_PRESET:-$PRESET} == "$PRESET" ]] || die "PRESET=$GIVEN_PRESET: DATA=mini_imagenet has one, mini_imagenet"
      ;;
    *) die "DATA=$DATA: give fonts, omniglot or mini_imagenet" ;;
  esac
  P=presets/classification/$PRESET CLASS_DIR=$WORK_DIR/classes-$DATA
  [[ -d $P ]] || die "PRESET=$PRESET: there is no $P; give one of $(cd presets/classification && echo *)"
  setup
  local of
  if [[ -f $CLASS_DIR/classes.npz ]]; then
    of=$(cat "$CLASS_DIR/source" 2>/dev/null || true)
    [[ -z $SOURCE_DIR || -z $of || $SOURCE_DIR == "$of" ]] ||
      die "SOURCE_DIR=$SOURCE_DIR: $CLASS_DIR has its classes, of $of; leave it out, or give another WORK_DIR"
    return 0
  fi
  [[ $DATA != mini_imagenet || $SOURCE_DIR ]] ||
    die "SOURCE_DIR: give MiniImagenet's folder, of train.csv, val.csv, test.csv and images/"
  of=${SOURCE_DIR:-$(realpath -m -- "$WORK_DIR/omniglot")}
  mkdir -p "$CLASS_DIR"
  [[ $DATA == fonts ]] || printf '%s\n' "$of" >"$CLASS_DIR/source"
  say "The classes of $DATA"
  case $DATA in
    fonts) $PY -m classification.fonts --out="$CLASS_DIR" --contact_sheet="$CLASS_DIR/contact_sheet.png" ;;
    omniglot) $PY -m classification.omniglot --data_dir="$of" --out="$CLASS_DIR" --download ;;
    mini_imagenet) $PY -m classification.mini_imagenet --data_dir="$of" --out="$CLASS_DIR" ;;
  esac
}

class_sweep() {  # LOGDIR FLAGS...: each line once per trial, which has its own choice of classes
  local choice=(--data_seed='{trial}')
  [[ $DATA != omniglot || $PRESET == quick ]] || choice+=(--num_train_classes=1200)  # the paper's; quick has its own
  METHODS='' sweep --trials="$TRIALS" "${@:2}" -- --data_dir="$CLASS_DIR" "${choice[@]}" --logdir="$1"
}

sinusoid_report() {  # FLAGS...
  local protocol folders=
  for protocol in released text; do
    [[ ! -d $SINUSOID_DIR/$protocol ]] || folders+=${folders:+,}$SINUSOID_DIR/$protocol
  done
  [[ $folders ]] || die "$SINUSOID_DIR: no runs yet; run: bash run.sh table1"
  $PY -m sinusoid.report --logdir="$folders" "$@"
}
