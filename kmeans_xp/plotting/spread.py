"""How far clusters spread: ellipses, or bands where there is one feature."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kmeans_xp.arrays import Array, as_array, to_host

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Standard deviations of an ellipse: of a Gaussian in the plane, 39% and 86% are within.
WIDTHS = (1, 2)


def host_covariances(covariances: Array, k: int, d: int) -> np.ndarray:
    """Fetch (co)variances and check that they belong to `k` centres of `d` features."""
    values = to_host(as_array(covariances, "covariances")).astype(np.float64, copy=False)
    if values.shape not in {(k, d, d), (k, d)}:
        raise ValueError(
            f"covariances must have shape {(k, d, d)}, or {(k, d)} for variances alone, as X and "
            f"centers have, got {values.shape}."
        )
    return values


def draw_ellipses(
    ax: "Axes", places: np.ndarray, covariances: np.ndarray, colors: Sequence[str]
) -> None:
    """Draw ellipses of one and two standard deviations about places in the plane."""
    from matplotlib.patches import Ellipse

    for place, covariance, color in zip(places, covariances, colors, strict=True):
        variances, axes = np.linalg.eigh(covariance)
        spans = 2 * np.sqrt(np.maximum(variances, 0))
        angle = float(np.degrees(np.arctan2(axes[1, 0], axes[0, 0])))
        for width in WIDTHS:
            ellipse = Ellipse(place, *(width * spans), angle=angle, zorder=0.5)
            ellipse.set(facecolor=(color, 0.1), edgecolor=color, linewidth=1.2 / width)
            ax.add_patch(ellipse)
    ax.autoscale_view()


def draw_bands(
    ax: "Axes", places: np.ndarray, variances: np.ndarray, colors: Sequence[str]
) -> None:
    """Shade a standard deviation about places on a line."""
    for place, variance, color in zip(places, variances, colors, strict=True):
        far = float(np.sqrt(max(variance, 0.0)))
        ax.axvspan(place - far, place + far, color=color, alpha=0.15, linewidth=0, zorder=0.5)
