"""Inputs that are images: each pixel a row, its red, green and blue from 0 to 1."""

from pathlib import Path
from typing import Any

import numpy as np

from kmeans_xp.cli.array_files import ArrayInput
from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.inputs import Array, Input

RGB = ("red", "green", "blue")


def read(path: Path) -> Input:
    """Read an image, turned upright; of several frames the first, transparency aside."""
    image = optional("PIL.Image")
    upright = optional("PIL.ImageOps").exif_transpose
    try:
        with image.open(path) as file:
            pixels = _pixels(upright(file))
    except FileNotFoundError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise CliError(f"{path}: cannot be read as an image ({error})") from error
    return pixel_rows(path.name, pixels)


def pixel_rows(name: str, pixels: Array) -> ArrayInput:
    """Make rows of an image given as an array of shape (height, width, 3), 0 to 1."""
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height * width, 3)
    return ArrayInput(name, rows, columns=RGB, image=(height, width))


def _pixels(image: Any) -> Array:
    if image.mode.startswith(("I", "F")):
        # Pillow would clip deep greys to 255, so they are scaled here.
        grey = np.asarray(image, dtype=np.float32) / np.float32(65535)
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ValueError("its values are not 8 or 16 bits deep")
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    return np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
