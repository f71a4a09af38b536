"""``sample:NAME``: the data sets and photographs that scikit-learn ships."""

import numpy as np

from kmeans_xp.cli.array_files import ArrayInput
from kmeans_xp.cli.errors import CliError, optional
from kmeans_xp.cli.images import pixel_rows
from kmeans_xp.cli.inputs import SAMPLE, Input

TABLES = ("iris", "wine", "digits", "breast_cancer", "diabetes", "linnerud")
PHOTOGRAPHS = ("china", "flower")


def read(name: str) -> Input:
    """Open one of the samples."""
    if name in PHOTOGRAPHS:
        return _photograph(name)
    if name in TABLES:
        return _table(name)
    raise CliError(f"unknown {SAMPLE}{name}; known are {', '.join((*TABLES, *PHOTOGRAPHS))}")


def _photograph(name: str) -> Input:
    optional("PIL")  # scikit-learn reads them with Pillow, and would not name our extra
    pixels = optional("sklearn.datasets").load_sample_image(f"{name}.jpg")
    return pixel_rows(f"{SAMPLE}{name}", pixels.astype(np.float32) / np.float32(255))


def _table(name: str) -> Input:
    bunch = getattr(optional("sklearn.datasets"), f"load_{name}")()
    texts = {}
    if "target_names" in bunch and bunch.target.ndim == 1:
        # Text, so that the known answer stands beside the labels and is never a feature.
        texts["class"] = np.asarray(bunch.target_names).astype(str)[bunch.target]
    columns = tuple(str(column) for column in bunch.feature_names)
    return ArrayInput(f"{SAMPLE}{name}", bunch.data, columns=columns, texts=texts)
