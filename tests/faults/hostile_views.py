"""PNG files by their bytes: ones that must be refused, and ones that are made grey and resized."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from pose_data.data_gen import IMAGE_SIZE as SIZE


def png(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "png", **options)
    return buffer.getvalue()


def noise(mode="L", size=(SIZE, SIZE)):
    depth = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(256, size=(size[1], size[0], depth)).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if depth == 1 else pixels, mode if depth > 1 else "L").convert(mode)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def declared(width, height, depth=8, colour=0, rows=b"", extra=b""):
    """A PNG file that says it is so large, with a bit of data."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def other_format(name):
    buffer = io.BytesIO()
    noise().save(buffer, name)
    return buffer.getvalue()


SIXTEEN_BIT = png(Image.fromarray(np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE)))
REFUSED = {  # by data_gen.py and by resize_images.py
    "nothing": b"",
    "no image": b"no image",
    "signature": b"\x89PNG\r\n\x1a\n",
    "jpeg": other_format("jpeg"),
    "gif": other_format("gif"),
    "tiff": other_format("tiff"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 128 128\n%%EndComments\n(x) run\n",
    "16 bits": SIXTEEN_BIT,
    "animation": png(noise(), save_all=True, append_images=[Image.new("L", (SIZE, SIZE))]),
    "no animation": declared(SIZE, SIZE, rows=bytes((SIZE + 1) * SIZE), extra=chunk(b"acTL", bytes(8))),
    "palette with alpha": png(
        noise("RGB").convert("P", palette=Image.Palette.ADAPTIVE), transparency=bytes(range(256))
    ),
    "bomb": declared(50_000, 50_000, rows=bytes(100)),
    "large bomb": declared(2**31 - 1, 2**31 - 1),
    "small bomb": declared(9_600, 9_600, rows=bytes(9_601 * 9_600)),
    "long bomb": declared(1, 2**31 - 1, rows=bytes(100)),
    "no pixels": declared(0, 0),
    "too few rows": declared(SIZE, SIZE, rows=bytes(1000)),
    "text bomb": declared(
        SIZE, SIZE, rows=bytes((SIZE + 1) * SIZE), extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))
    ),
}
RESIZED = {  # refused by data_gen.py alone
    "rgb": png(noise("RGB")),
    "rgba": png(noise("RGBA")),
    "la": png(noise("LA")),
    "1 bit": png(noise("1")),
    "palette": png(noise("RGB").convert("P", palette=Image.Palette.ADAPTIVE)),
    "no colours": declared(SIZE, SIZE, colour=3, rows=bytes((SIZE + 1) * SIZE)),
    "small": png(noise(size=(16, 16))),
    "large": png(noise(size=(500, 500))),
    "wide": png(noise(size=(300, 100))),
    "one pixel": png(noise(size=(1, 1))),
}
