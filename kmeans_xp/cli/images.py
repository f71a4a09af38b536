"""Inputs that are images: each pixel a row, its red, green and blue from 0 to 1."""

import warnings
from typing import Any

import numpy as np

from kmeans_xp.cli.array_files import ArrayInput
from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.files import File
from kmeans_xp.cli.inputs import Array, Input

RGB = ("red", "green", "blue")
# A tag of TIFF files.
BITS_PER_SAMPLE = 258


def read(file: File) -> Input:
    """Read an image, turned upright; of several frames the first, transparency aside."""
    image = optional("PIL.Image")
    upright = optional("PIL.ImageOps").exif_transpose
    try:
        with file.open() as raw, image.open(raw) as opened:
            cut, full = _is_cut(opened), _full_scale(opened)
            pixels = _pixels(upright(opened), full)
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise CliError(f"{file}: cannot be read as an image ({error})") from error
    if cut:
        warnings.warn(f"{file}: of its colours' 16 bits 8 are used", stacklevel=2)
    return pixel_rows(file.name, pixels)


def pixel_rows(name: str, pixels: Array) -> ArrayInput:
    """Make rows of an image given as an array of shape (height, width, 3), 0 to 1."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height * width, 3)
    return ArrayInput(name, rows, columns=RGB, image=(height, width))


def _full_scale(image: Any) -> int:
    """Return what white is in an image, as its mode says."""
    if image.mode == "F":
        return 1
    if image.mode.startswith("I;16"):
        bits = dict(getattr(image, "tag_v2", {})).get(BITS_PER_SAMPLE, (16,))[0]
        return 2 ** int(bits) - 1
    if image.mode == "I" and image.format == "PNG":
        return 65535  # a PNG has 16 bits at most, which some versions of Pillow widen
    if image.mode == "I":
        raise ValueError("its values are 32 bits deep or signed, and nothing says what is white")
    return 255


def _is_cut(image: Any) -> bool:
    """Return whether Pillow reads 8 of an image's 16 bits."""
    return not image.mode.startswith("I") and any("16" in str(tile[-1]) for tile in image.tile)


def _pixels(image: Any, full: int) -> Array:
    if not image.mode.startswith(("I", "F")):
        return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(full)
    # Pillow would clip deep greys to 255, so they are scaled here.
    grey = np.asarray(image, dtype=np.float32) / np.float32(full)
    if not (grey.min() >= 0 and grey.max() <= 1):
        raise ValueError(
            f"its values go from {grey.min():g} to {grey.max():g}, and nothing says what is white; "
            "scale them to 0 to 1"
        )
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
