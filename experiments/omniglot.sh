# Omniglot: download its two archives (14 MB) from its public repository and make the classes of them
# Cost: half a minute. SOURCE_DIR=FOLDER takes archives, or unpacked folders, that are there.
no_flags omniglot "$@"
DATA=omniglot
classes
