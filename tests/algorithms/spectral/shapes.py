"""Shapes that k-means cannot find."""

import numpy as np


def moons(n: int, noise: float = 0.06, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles, each around an end of the other."""
    rng = np.random.default_rng(seed)
    angle, labels = rng.uniform(0, np.pi, n), np.arange(n) % 2
    x = np.where(labels == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(labels == 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=1) + noise * rng.standard_normal((n, 2)), labels


def circles(n: int, noise: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A circle in another."""
    rng = np.random.default_rng(seed)
    angle, labels = rng.uniform(0, 2 * np.pi, n), np.arange(n) % 2
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 - 0.5 * labels)[:, None]
    return points + noise * rng.standard_normal((n, 2)), labels


def spirals(n: int, noise: float = 0.15, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two arms around each other."""
    rng = np.random.default_rng(seed)
    angle, labels = np.sqrt(rng.uniform(0.05, 1, n)) * 3 * np.pi, np.arange(n) % 2
    turned = angle + np.pi * labels
    points = np.stack([angle * np.cos(turned), angle * np.sin(turned)], axis=1)
    return points + noise * rng.standard_normal((n, 2)), labels


def unequal(n: int, spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A large and wide cluster beside two small ones."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [n - n // 5, n // 10, n // 5 - n // 10])
    middles = np.array([[0.0, 0.0], [7.0, 0.0], [7.0, 4.0]])[labels]
    widths = spread * np.array([1.4, 0.5, 0.5])[labels]
    return middles + widths[:, None] * rng.standard_normal((n, 2)), labels


SHAPES = {"moons": moons, "circles": circles, "spirals": spirals, "unequal": unequal}
