"""Pictures of every kind that Pillow and OpenCV can write here, with every orientation, under true and false names."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 48, 64
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F")
NATIVE = {"JPEG": "jpg", "MPO": "mpo", "PNG": "png", "TIFF": "tif", "WEBP": "webp", "AVIF": "avif", "BMP": "bmp"}
NATIVE |= {"JPEG2000": "jp2"}
OPTIONS = {
    "JPEG": [{"progressive": True}, {"subsampling": 0, "quality": 100}, {"restart_marker_rows": 1}],
    "PNG": [{"compress_level": 0}, {"bits": 4}],
    "WEBP": [{"lossless": True}],
    "TIFF": [{"compression": name} for name in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits", "group4")],
}
NO_PICTURES = ("PDF", "XVTHUMB", "PALM", "SPIDER", "FITS", "HDF5", "GRIB", "BUFR", "WMF", "MSP")


def scene(seed: int) -> NDArray[np.uint8]:
    """A picture with an up, a left and colours, (HEIGHT, WIDTH, 3)."""
    ramp = np.linspace(0, 200, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH, 1)
    noise = np.random.default_rng(seed).integers(0, 40, (HEIGHT // 8, WIDTH // 8, 3)).repeat(8, 0).repeat(8, 1)
    picture = (ramp * [1.0, 0.6, 0.3] + noise).astype(np.uint8)
    picture[:8, :16] = (250, 20, 60)
    return picture


def written(folder: Path) -> list[Path]:
    """Write every kind; returns the files."""
    files = []
    for number, (name, suffix, data) in enumerate(_every()):
        files.append(folder / f"{number:04d}-{name}.{suffix}")
        files[-1].write_bytes(data)
    return files


def _every() -> Iterator[tuple[str, str, bytes]]:
    Image.init()
    for kind in sorted(Image.SAVE):
        if kind in NO_PICTURES:
            continue
        for mode in MODES:
            data = by_pillow(kind, mode)
            if data is None:
                continue
            if kind in NATIVE:
                yield f"{kind}-{mode.replace(';', '_')}", NATIVE[kind], data
            yield f"{kind}-{mode.replace(';', '_')}-misnamed", "jpg" if kind == "PNG" else "png", data
    for kind, many in OPTIONS.items():
        for options in many:
            name = "-".join(f"{key}{value}" for key, value in options.items())
            for mode in ("RGB", "L", "1", "P"):
                if (data := by_pillow(kind, mode, **options)) is not None:
                    yield f"{kind}-{mode}-{name}", NATIVE[kind], data
    yield from _oriented()
    yield from _oriented_oddly()
    yield from _several_pages()
    yield from _opencv()
    yield from _odd_ends()


def by_pillow(kind: str, mode: str, **options: object) -> bytes | None:
    """The bytes, None where Pillow cannot write this."""
    image = Image.fromarray(scene(len(mode)))
    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if mode in ("I;16", "F", "I"):
                image = Image.fromarray(np.asarray(image.convert("L"), dtype=np.uint16) * 257).convert(mode)
            else:
                image = image.convert(mode)
            image.save(file, kind, **options)
    except (OSError, ValueError, KeyError, TypeError, SystemError, RuntimeError):
        return None
    return file.getvalue()


def _oriented() -> Iterator[tuple[str, str, bytes]]:
    for kind, suffix in NATIVE.items():
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[274] = orientation
            if (data := by_pillow(kind, "RGB", exif=exif)) is not None:
                yield f"{kind}-orientation{orientation}", suffix, data


def _oriented_oddly() -> Iterator[tuple[str, str, bytes]]:
    """Orientations as cameras and editors write them: in XMP, in a long number, twice, of no meaning, cut short."""
    plain = by_pillow("JPEG", "RGB")
    assert plain
    space = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    for orientation in (3, 6):
        xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><Description {space} tiff:Orientation="{orientation}"/></x:xmpmeta>'
        yield f"JPEG-xmp{orientation}", "jpg", _with(plain, b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode())
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    yield "JPEG-exif-big-endian", "jpg", _with(plain, exif)
    yield "JPEG-exif-twice", "jpg", _with(_with(plain, exif), exif.replace(b"\x01\0\x06", b"\x01\0\x03"))
    yield "JPEG-exif-9", "jpg", _with(plain, exif.replace(b"\x01\0\x06", b"\x01\0\x09"))
    yield "JPEG-exif-short", "jpg", _with(plain, exif[:20])
    yield "JPEG-exif-long", "jpg", _with(plain, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\1\4\0\1\0\0\0\6" + b"\0" * 7)


def _with(jpeg: bytes, content: bytes) -> bytes:
    """A JPEG with an application segment at its beginning."""
    return jpeg[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]


def _several_pages() -> Iterator[tuple[str, str, bytes]]:
    pages = [Image.fromarray(scene(seed)) for seed in (1, 2, 3)]
    for kind, suffix in (("TIFF", "tiff"), ("WEBP", "webp"), ("PNG", "png"), ("MPO", "mpo"), ("AVIF", "avif")):
        for mode in ("RGB", "L"):
            file = io.BytesIO()
            first, *others = (page.convert(mode) for page in pages)
            first.save(file, kind, save_all=True, append_images=others)
            yield f"{kind}-{mode}-pages", suffix, file.getvalue()


def _opencv() -> Iterator[tuple[str, str, bytes]]:
    plain = scene(5)
    shapes = {"grey": plain[..., :1], "colour": plain, "alpha": np.concatenate([plain, plain[..., :1]], axis=2)}
    depths = {"8": np.uint8, "16": np.uint16, "32f": np.float32}
    for suffix in ("jpg", "png", "webp", "tif", "tiff", "bmp", "jp2", "avif", "exr", "hdr", "pfm", "ppm", "pxm", "sr"):
        for shape, picture in shapes.items():
            for depth, kind in depths.items():
                scaled = (picture.astype(np.float64) * (257 if kind is np.uint16 else 1)).astype(kind)
                try:
                    done, data = cv2.imencode(f".{suffix}", scaled)
                except cv2.error:
                    continue
                if done:
                    yield (
                        f"opencv-{suffix}-{shape}-{depth}",
                        suffix if suffix in NATIVE.values() else "png",
                        bytes(data),
                    )


def _odd_ends() -> Iterator[tuple[str, str, bytes]]:
    jpeg, png = by_pillow("JPEG", "RGB"), by_pillow("PNG", "RGB")
    assert jpeg and png
    yield "trailing", "jpg", jpeg + b"\0" * 64 + b"SEFT"
    yield "trailing-newline", "JPG", jpeg + b"\n"
    yield "early", "jpg", jpeg[: len(jpeg) * 2 // 3]
    yield "no-marker", "jpeg", jpeg[:-2]
    yield "junk-before", "jpg", b"junk" + jpeg
    yield "zeros-within", "jpg", jpeg[: len(jpeg) // 2] + b"\0" * 40 + jpeg[len(jpeg) // 2 + 40 :]
    yield "end-twice", "jpg", jpeg + b"more\xff\xd9"
    yield "early", "png", png[: len(png) // 2]
    yield "trailing", "png", png + b"more"
    yield "empty", "png", b""
    yield "text", "jpg", b"<!DOCTYPE html><html>404</html>"
    for side in (9, 10):
        file = io.BytesIO()
        Image.new("RGB", (side, WIDTH), (side, 1, 2)).save(file, "PNG")
        yield f"side{side}", "png", file.getvalue()
