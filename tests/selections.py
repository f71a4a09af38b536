"""A choice of k as `choose_k` returns it, computed by scikit-learn's and our public functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn import metrics

from kmeans_xp import elbow, kmeans
from kmeans_xp.selection.gap import GapResult
from kmeans_xp.selection.information import kmeans_aic, kmeans_bic
from kmeans_xp.selection.result import KSelection, Profile
from kmeans_xp.selection.rules import index_of_maximum

CRITERIA = ("gap", "bic", "silhouette", "calinski_harabasz", "elbow")
VOTERS = ("gap", "bic", "silhouette")
OF_LABELS = {
    "silhouette": metrics.silhouette_score,
    "calinski_harabasz": metrics.calinski_harabasz_score,
    "davies_bouldin": metrics.davies_bouldin_score,
}
LEAST = {"bic", "aic", "davies_bouldin"}
Best = Callable[[Any], float]


def select(
    X: np.ndarray,
    ks: Iterable[int] = range(1, 11),
    *,
    criteria: Sequence[str] = CRITERIA,
    rng: int | None = 0,
    callback: Callable[[Any], object] | None = None,
) -> KSelection:
    """Choose k of k-means, with few references of the gap."""
    ks, rows = tuple(ks), np.asarray(X, dtype=np.float64)
    results, seconds = [], []
    for number, k in enumerate(ks, 1):
        begun = perf_counter()
        results.append(kmeans(rows, k, n_init=3, rng=rng))
        seconds.append(perf_counter() - begun)
        if callback is not None:
            callback(SimpleNamespace(k=k, number=number, count=len(ks)))
    gap = _gap(rows, ks, results, rng) if "gap" in criteria else None
    knee = elbow(ks, [r.inertia for r in results]) if "elbow" in criteria else None
    scores, choices = {}, {}
    for name in criteria:
        if name == "gap":
            scores[name], choices[name] = gap.gap, gap.k
        elif name == "elbow":
            scores[name], choices[name] = knee.differences, knee.k
        else:
            scores[name] = tuple(_score(name, rows, r) for r in results)
            choices[name] = _best(ks, scores[name], least=name in LEAST)
    votes = sorted(k for name, k in choices.items() if name in VOTERS and k is not None)
    k = votes[(len(votes) - 1) // 2] if votes else None
    agreement = sum(own == k for own in choices.values()) / len(choices) if votes else 0.0
    return KSelection(
        ks=ks,
        k=k,
        choices=choices,
        scores=scores,
        inertias=tuple(r.inertia for r in results),
        seconds=tuple(seconds),
        results=tuple(results),
        agreement=agreement,
        n_rows=len(rows),
        n_sampled=len(rows),
        notes=("Nothing was sampled.",),
        gap=gap,
        elbow=knee,
        profile=None if k in (None, 1) else _profile(rows, results[ks.index(k)]),
    )


def _profile(rows: np.ndarray, result: Any) -> Profile:
    values = metrics.silhouette_samples(rows, result.labels)
    return Profile(len(result.centers), result.labels, values)


def _gap(rows: np.ndarray, ks: Sequence[int], results: list[Any], rng: int | None) -> GapResult:
    generator = np.random.default_rng(rng)
    low, high = rows.min(axis=0), rows.max(axis=0)
    draws = [generator.uniform(low, high, size=rows.shape) for _ in range(5)]
    logs = np.array([[math.log(kmeans(d, k, rng=rng).inertia) for k in ks] for d in draws])
    log_w = [math.log(r.inertia) for r in results]
    expected, se = logs.mean(axis=0), logs.std(axis=0) * math.sqrt(1 + 1 / len(draws))
    gap = expected - log_w
    k = ks[index_of_maximum(gap, se, "firstSEmax")]
    numbers = (tuple(log_w), tuple(expected), tuple(gap), tuple(se))
    return GapResult(tuple(ks), *numbers, k, "firstSEmax", "uniform")


def _score(name: str, rows: np.ndarray, result: Any) -> float:
    if name in ("bic", "aic"):
        criterion = kmeans_bic if name == "bic" else kmeans_aic
        return criterion(result.inertia, result.sizes, rows.shape[1])
    if not 1 < len(result.centers) < len(rows):
        return math.nan
    return float(OF_LABELS[name](rows, result.labels))


def _best(ks: Sequence[int], values: Sequence[float], *, least: bool) -> int | None:
    signed = [math.nan if math.isnan(v) else (-v if least else v) for v in values]
    return None if np.isnan(signed).all() else ks[int(np.nanargmax(signed))]
