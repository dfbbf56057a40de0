#!/usr/bin/env bash
# One example line per method, with the paper's settings where they differ from the scripts' defaults (inner step 0.01,
# K = 15, beta 0.1 for MR-MAML). Run from inside this folder, DATA_DIR being the folder of data_gen.py's two pickles:
#   DATA_DIR=../pose_data bash run.sh          all of them, one after the other: for a GPU
# or copy the line you want. Editing a flag is the ablation; --help describes them all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
DATA_DIR=${DATA_DIR:-../pose_data}
LOG_DIR=${LOG_DIR:-/tmp/data}
PYTHON=${PYTHON:-python}

"$PYTHON" maml_vanilla.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR" --update_lr=0.01 --update_batch_size=15 # MAML
"$PYTHON" maml_bbb.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR" --update_lr=0.01 --beta=0.1                 # MR-MAML(W)
"$PYTHON" maml_ib.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR" --update_lr=0.01                             # MR-MAML(A)
"$PYTHON" np_vanilla.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR"                                           # CNP
"$PYTHON" np_vanilla.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR" --weight_decay                            # CNP + weight decay
"$PYTHON" np_bbb.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR"                                               # MR-CNP(W)
"$PYTHON" np_ib.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR"                                                # MR-CNP(A)
"$PYTHON" np_all_bbb.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR"                                           # CNP + BbB
"$PYTHON" finetune.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR" --update_lr=0.01                            # FT
"$PYTHON" finetune.py --data_dir="$DATA_DIR" --logdir="$LOG_DIR" --update_lr=0.01 --weight_decay             # FT + weight decay
