"""What a file is by its first bytes, whatever its name says; and text without its byte order mark."""

import codecs

_KINDS = {
    b"\x1f\x8b": "gzip-compressed: gunzip it",
    b"PK\x03\x04": "a zip archive: unzip it",
    b"PK\x05\x06": "a zip archive: unzip it",
    b"BZh": "bzip2-compressed: bunzip2 it",
    b"\xfd7zXZ\0": "xz-compressed: unxz it",
    b"\x28\xb5\x2f\xfd": "zstd-compressed: unzstd it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
    b"Rar!": "a rar archive: unpack it",
    b"version https://git-lfs": "a Git LFS pointer and not the file: git lfs pull",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
    b"Kaydara FBX": "an FBX file",
    b"BLENDER": "a Blender file",
}
# UTF-32 first: its mark begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def other_kind(data):
    """Return what a file that begins with the bytes `data` is, with the remedy, or None: it is not empty, and none of
    the kinds that are often found under another name."""
    return next((kind for start, kind in _KINDS.items() if data.startswith(start)), None if data else "empty")


def without_mark(data):
    """Return the bytes of a text without its byte order mark, and then as UTF-8; other bytes as they are."""
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            rest = data[len(mark) :]
            return rest if encoding == "utf-8" else rest.decode(encoding).encode()
    return data


def plain_text(data):
    """Return the bytes of a text without its byte order mark and with lines that end in \\n."""
    return without_mark(data).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
