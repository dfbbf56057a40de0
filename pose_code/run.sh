#!/usr/bin/env bash
# One line per method, with the settings of ../presets/paper: the paper's images and batches, the paper's or the released
# networks, not all of the paper's rates. Run from inside this folder, DATA_DIR being that of data_gen.py's two pickles:
#   DATA_DIR=../pose_data bash run.sh          all of them, one after the other: for a GPU
# or copy the line you want. A flag at its end is the ablation; --help lists them all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
DATA_DIR=${DATA_DIR:-../pose_data}
LOG_DIR=${LOG_DIR:-/tmp/data}
PYTHON=${PYTHON:-python}

run() {  # METHOD FLAGS...
  "$PYTHON" "$1.py" --flagfile="../presets/paper/$1.cfg" --data_dir="$DATA_DIR" --logdir="$LOG_DIR" "${@:2}"
}

run maml_vanilla              # MAML
run maml_bbb                  # MR-MAML(W)
run maml_ib                   # MR-MAML(A)
run np_vanilla                # CNP
run np_vanilla --weight_decay # CNP + weight decay
run np_bbb                    # MR-CNP(W)
run np_ib                     # MR-CNP(A)
run np_all_bbb                # CNP + BbB
run finetune                  # FT
run finetune --weight_decay   # FT + weight decay
