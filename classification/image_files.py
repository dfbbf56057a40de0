"""Image files of classes, in folders or in a zip archive, which is read without unpacking it. None of them is trusted.

Hidden files and folders, and the __MACOSX folders of macOS, are passed over.
"""

import contextlib
import io
import os
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from metalearn import workers
from metalearn.cli import UserError

_SUFFIXES = (".png", ".jpg", ".jpeg")  # in capitals, too
_MAX_BYTES = 2**26  # of one image file
_ANEW = "get the file anew"


class ImageFile(NamedTuple):
    """parts: its path in its folder or archive; where: that path for messages; read: a function, -> its bytes."""

    parts: tuple[str, ...]
    where: str
    read: Callable[[], bytes]


@contextlib.contextmanager
def open_folder(path):
    """Yield the image files in a folder or zip archive, a list of `ImageFile` to be read within. Raises UserError."""
    path = Path(path)
    if path.is_dir():
        yield _in_folder(path)
        return
    if not path.is_file():  # opening a pipe would block
        raise UserError(f"{path}: not a file; {_ANEW}")
    try:
        archive = zipfile.ZipFile(path)
    except PermissionError:
        raise
    except Exception as error:  # a damaged archive can raise nearly anything
        raise UserError(f"{path}: not a zip archive, or cut short ({error}); {_ANEW}") from error
    with archive:
        yield _in_archive(path, archive)


def from_path(path, root):
    """The `ImageFile` of a file below the folder `root`."""
    return ImageFile(path.relative_to(root).parts, str(path), lambda: _read_path(path))


def decode(file, mode):
    """The PIL image of an `ImageFile`, a PNG or a JPEG, in mode "L" or "RGB". Raises UserError that names it."""
    data = file.read()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # damaged Exif data, for one, as in files of ImageNet
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
                if image.mode.startswith(("I", "F")):
                    raise ValueError(f"pixels of kind {image.mode}, not of 8 bits")
                return image.convert(mode)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        raise UserError(f"{file.where}: not a PNG or JPEG image; {_ANEW}") from None
    except Exception as error:  # a damaged image can raise nearly anything
        raise UserError(f"{file.where}: damaged image ({error}); {_ANEW}") from error


def read_classes(classes, num_images, flag, side, channels, pixels):
    """uint8 [classes, num_images, side, side, channels]: of each class the first `num_images`.

    classes: dict name -> list of `ImageFile`; flag: the one that sets `num_images`; pixels: a function, `ImageFile` ->
    PIL image or array of that size. Prints the progress. Raises UserError, before it reads the first image, for a class
    that has fewer, or a name that does not print.
    """
    for name, files in classes.items():
        where = f"{files[0].where}: its class, {name!r}," if files else f"class {name!r}"
        if not name.isprintable():
            raise UserError(f"{where} has characters in its name that cannot be printed; rename it")
        if len(files) < num_images:
            raise UserError(f"{where} has {len(files)} images; complete or remove it, or lower --{flag}={num_images}")
    images = np.empty((len(classes), num_images, side, side, channels), np.uint8)
    progress = workers.Progress("read", len(classes), "classes")
    for row, files in zip(images, classes.values(), strict=True):
        for image, file in zip(row, files, strict=False):
            image[...] = pixels(file)
        progress.add(num_images)
    return images


def _is_image(parts):
    return parts[-1].lower().endswith(_SUFFIXES) and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _raise(error):
    raise error


def _in_folder(root):
    tree = os.walk(root, onerror=_raise, followlinks=True)
    paths = (Path(folder, name) for folder, _, names in tree for name in names)
    return [from_path(path, root) for path in sorted(paths) if _is_image(path.relative_to(root).parts)]


def _read_path(path):
    if not path.is_file():
        raise UserError(f"{path}: no such file, or not a plain file; {_ANEW}")
    with open(path, "rb") as file:
        return _limited(file, path)


def _limited(file, where):
    data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise UserError(f"{where}: more than {_MAX_BYTES >> 20} MiB, too large for an image; {_ANEW}")
    return data


def _in_archive(path, archive):
    files = {}
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")  # of old archives made on Windows
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
            raise UserError(f"{path}: a member, {name!r}, lies outside the archive's folder; do not use this archive")
        if member.is_dir() or not parts or not _is_image(parts):
            continue
        if member.flag_bits & 1:
            raise UserError(f"{path}: {name!r} is encrypted; unpack the archive with its password")
        if parts in files:
            raise UserError(f"{path}: {name!r} is twice in it; {_ANEW}")
        files[parts] = ImageFile(parts, f"{path}: {name}", lambda member=member: _read_member(path, archive, member))
    return [files[parts] for parts in sorted(files)]


def _read_member(path, archive, member):
    try:
        with archive.open(member) as file:
            return _limited(file, f"{path}: {member.filename}")
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(f"{path}: {member.filename}: damaged ({error}); {_ANEW}") from error
