"""Omniglot (Lake et al., 2015) as a class file: 1,623 characters of 50 alphabets, 20 drawings of each.

1. Reads images_background.zip and images_evaluation.zip of github.com/brendenlake/omniglot (folder python/), or the
   folders that they unpack to, in --data_dir. --download fetches those that are not there and checks their MD5 sums.
2. Shrinks the drawings from 105x105 to 28x28 pixels (Lanczos) and turns black ink on white into 255 on 0. No rotated
   copies are made.
3. Writes <out>/classes.npz (class_file.py): the classes are named "Alphabet/character01" and sorted; all splits "".
   The archives and their folders give the same bytes.

Command: python -m classification.omniglot --data_dir=DATA/omniglot --download --out=DATA/omniglot

Cost: 9 s on one core, 140 MB of memory, a download of 14 MB; classes.npz takes 7 MB.
"""

import contextlib
import os
import socket
from pathlib import Path

import numpy as np
from absl import flags
from PIL import Image

from classification import class_file, image_files
from metalearn.cli import UserError, run_main
from metalearn.files import atomic_path

FLAGS = flags.FLAGS

SIDE = 28  # pixels
URL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
MD5 = {  # of the archives there
    "images_background": "68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
}
_ARCHIVES = f"{' and '.join(f'{part}.zip' for part in MD5)} of github.com/brendenlake/omniglot (folder python/)"
_SECONDS = 20  # without an answer, until a download fails


def find(data_dir, part):
    """The archive <data_dir>/<part>.zip or, if there is none, the folder <data_dir>/<part>; None without either."""
    paths = (Path(data_dir, f"{part}.zip"), Path(data_dir, part))
    return next((path for path in paths if path.exists()), None)


def download(data_dir, part):
    """Fetch <data_dir>/<part>.zip, whole or not at all. Raises UserError."""
    import keras  # takes seconds

    path = Path(os.path.abspath(data_dir), f"{part}.zip")
    path.parent.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS)
    with atomic_path(path) as temporary:
        try:
            keras.utils.get_file(
                temporary.name, f"{URL}/{part}.zip", cache_dir=str(path.parent), cache_subdir="", file_hash=MD5[part],
                hash_algorithm="md5",
            )  # fmt: skip
            os.stat(temporary)  # get_file goes to another folder where it may not write
        except Exception as error:  # get_file raises plain ones
            raise UserError(f"{path}: could not be fetched ({error}); get {_ARCHIVES} and put them there") from error
        finally:
            socket.setdefaulttimeout(before)


def characters(files, path, part):
    """Group the image files in `path`, an archive or folder: dict "Alphabet/character01" -> list of `ImageFile`.

    Raises UserError for one that is not in the folder of a character, and if there are none.
    """
    classes = {}
    for file in files:
        folders = file.parts[:-1]
        while folders[:1] == (part,):  # the archive has a folder of its name, which may have been unpacked into another
            folders = folders[1:]
        if len(folders) != 2:
            raise UserError(f"{file.where}: not at <alphabet>/<character>/<drawing>.png; move or remove it")
        classes.setdefault("/".join(folders), []).append(file)
    if not classes:
        raise UserError(f"{path}: no <alphabet>/<character>/<drawing>.png in it; get it anew")
    return classes


class DrawingReader:
    """Reads drawings that must be square and all of one size."""

    def __init__(self):
        self._first = None

    def __call__(self, file):
        """A drawing, uint8 [28, 28, 1], ink 255 on 0. Raises UserError."""
        image = image_files.decode(file, "L")
        if image.width != image.height:
            raise UserError(f"{file.where}: {image.width}x{image.height} pixels, not square; get the file anew")
        self._first = self._first or (file.where, image.size)
        if image.size != self._first[1]:
            raise UserError(
                f"{file.where}: {image.width} pixels a side, but {self._first[0]} has {self._first[1][0]}; "
                "all must have the same"
            )
        return 255 - np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))[..., None]


def read(data_dir, drawings=20, fetch=False):
    """-> `Classes`, with the first `drawings` of each character by name. Raises UserError.

    fetch: download the archives that are missing.
    """
    classes = {}
    with contextlib.ExitStack() as opened:
        for part in MD5:
            if fetch and not find(data_dir, part):
                download(data_dir, part)
            path = find(data_dir, part)
            if not path:
                raise UserError(
                    f"--data_dir={data_dir}: neither {part}.zip nor a folder {part} in it; give --download, or "
                    f"get {_ARCHIVES} and put them there"
                )
            new = characters(opened.enter_context(image_files.open_folder(path)), path, part)
            if twice := sorted(set(classes) & set(new)):
                raise UserError(f"{path}: {twice[0]} is in the other part, too; get both anew")
            classes |= new
        classes = dict(sorted(classes.items()))
        images = image_files.read_classes(classes, drawings, "drawings", SIDE, 1, DrawingReader())
    return class_file.Classes(images, np.array(list(classes)), np.array([""] * len(classes)))


def main(argv):
    del argv
    classes = read(FLAGS.data_dir, FLAGS.drawings, FLAGS.download)
    path = Path(FLAGS.out, class_file.NAME)
    class_file.save(path, *classes)
    print(f"{path}: {len(classes.names)} characters x {FLAGS.drawings} drawings")


def define_flags():
    flags.DEFINE_string("data_dir", None, "Folder with the two archives, or with what they unpack to.", required=True)
    flags.DEFINE_string("out", None, "Folder to write classes.npz to.", required=True)
    flags.DEFINE_boolean("download", False, "Fetch what --data_dir does not have, 14 MB.")
    flags.DEFINE_integer("drawings", 20, "Drawings of each character: the first by name.", 1)


if __name__ == "__main__":
    define_flags()
    run_main(main)
