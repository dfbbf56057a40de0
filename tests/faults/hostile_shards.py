"""Files of shards by their bytes: an index.npz and a .npy of views that must be refused; and good data."""

import io
import pickle
import zipfile

import numpy as np

OBJECTS, VIEWS, SIDE = 3, 4, 8


def good_data():
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(OBJECTS, VIEWS, SIDE, SIDE), dtype=np.uint8)
    return [images, rng.random((OBJECTS, VIEWS, 3))]


def npz(compression=zipfile.ZIP_STORED, **members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(header, data=b""):
    text = repr(header).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def array_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


GOOD = array_bytes(good_data()[1])
NAMES = array_bytes(np.array(["car/1"] * OBJECTS))
TERABYTES = npy({"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6, 3)})
OBJECT_ARRAY = npy({"descr": "|O", "fortran_order": False, "shape": (3,)}, pickle.dumps(["a", "b", "c"]))


INDICES = {
    "no names": npz(labels=GOOD),
    "no labels": npz(names=NAMES),
    "terabytes": npz(labels=TERABYTES, names=NAMES),
    "objects for labels": npz(labels=OBJECT_ARRAY, names=NAMES),
    "objects for names": npz(labels=GOOD, names=OBJECT_ARRAY),
    "in each other's place": npz(labels=NAMES, names=GOOD),
    "one number": npz(labels=array_bytes(np.float64(1)), names=NAMES),
    "empty": npz(labels=array_bytes(np.zeros((0, 4, 3))), names=array_bytes(np.zeros(0, "U5"))),
    "nan": npz(labels=array_bytes(np.full((OBJECTS, VIEWS, 3), np.nan)), names=NAMES),
    "too large": npz(labels=array_bytes(np.full((OBJECTS, VIEWS, 3), 1e300)), names=NAMES),
    "fewer objects": npz(labels=array_bytes(np.zeros((2, VIEWS, 3))), names=array_bytes(np.array(["a", "b"]))),
    "zip bomb": npz(zipfile.ZIP_DEFLATED, labels=array_bytes(np.zeros((OBJECTS, 10**6, 3))), names=NAMES),
    "lzma": npz(zipfile.ZIP_LZMA, labels=GOOD, names=NAMES)[:-100],
    "npy": GOOD,
    "pickle": pickle.dumps(good_data()),
    "nothing": b"",
}
BYTES = {"descr": "|u1", "fortran_order": False}
SHARDS = {
    "terabytes": TERABYTES,
    "objects": OBJECT_ARRAY,
    "overflow": npy({**BYTES, "shape": (2**32, 2**32, 2**32)}),
    "overflow to nothing": npy({**BYTES, "shape": (2**62, 4, 8)}),
    "negative": npy({**BYTES, "shape": (-4, 8, 8)}, bytes(256)),
    "longer than the file": npy({**BYTES, "shape": (4, 8, 2**40)}),
    "large items": npy({**BYTES, "descr": "|V99999999", "shape": (4, 8, 8)}),
    "flat": npy({**BYTES, "shape": (4, 8)}, bytes(32)),
    "floats": npy({**BYTES, "descr": "<f4", "shape": (4, 8, 8)}, bytes(1024)),
    "nested header": npy("(" * 90),
    "npz": npz(labels=GOOD),
    "nothing": b"",
}
