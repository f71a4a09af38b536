"""How a fitted model labels rows: what it needs for that, in memory and in a file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

from kmeans_xp.algorithms.bisecting.tree import Tree, predict_leaves
from kmeans_xp.algorithms.medoids.assign import medoid_loss, predict_medoids
from kmeans_xp.algorithms.medoids.starts import check_numbers
from kmeans_xp.algorithms.mixture.expectation import (
    label_step,
    mean_log_density,
    predicted,
    share_step,
)
from kmeans_xp.algorithms.mixture.parameters import Mixture, covariance_shape
from kmeans_xp.algorithms.spectral.fit import LANDMARKS
from kmeans_xp.algorithms.spectral.landmarks import embedded_by_landmarks
from kmeans_xp.arrays import to_host
from kmeans_xp.cli.inputs import Array
from kmeans_xp.kernels.metrics import PRECOMPUTED, Metric, check_metric
from kmeans_xp.kernels.shared.blocks import parts
from kmeans_xp.kernels.shared.gaussians import KINDS, MATRICES
from kmeans_xp.rows import Rows, open_rows

# How far the weights of a mixture, perhaps in float32, may be from adding up to 1.
ROUNDING = 1e-3
# Entries of rows that are summed at a time.
ROWS = 1 << 22


@dataclass(frozen=True)
class Rule(ABC):
    """A rule by which rows get labels; its arrays are on the host.

    Attributes
    ----------
    objective : str
        What a fit makes small or large, as the model file and the summaries call it.
    averaged : bool
        Whether that is a mean over the rows and not a sum.
    centers : ndarray of shape (k, d)
        Centres as they were fitted, in the dtype of the fit.
    """

    objective: ClassVar[str] = "inertia"
    averaged: ClassVar[bool] = False
    centers: Array

    @classmethod
    def found(cls, result: Any) -> Self:
        """Return the rule that a function's result stands for."""
        return cls(np.array(to_host(result.centers)))

    @property
    def of_distances(self) -> bool:
        """Whether rows hold their distances to the rows of the fit instead of features."""
        return False

    @abstractmethod
    def label(self, X: Any) -> tuple[Array, float]:
        """Return the labels of rows, on the host, and the objective's sum over the rows."""

    def shares(self, _X: Any) -> Array | None:
        """Return the shares of the clusters in rows, (n, k), where rows have such."""
        return None

    def spread(self) -> Array | None:
        """Return covariances of the clusters, (k, d, d), or variances, (k, d), where there are."""
        return None

    def details(self) -> dict[str, Any]:
        """Return what else there is to say of a model, in types that JSON has."""
        return {}

    def stored(self) -> dict[str, Any]:
        """Return what a model file holds of the rule beside the centres."""
        return {}

    @classmethod
    def restored(cls, stored: Mapping[str, Array]) -> Self:
        """Return the rule that a model file holds; a damaged one gives a ValueError."""
        return cls(stored["fitted_centers"])


@dataclass(frozen=True)
class Nearest(Rule):
    """A row belongs to the nearest centre."""

    def label(self, X: Any) -> tuple[Array, float]:
        """Return labels, and the inertia."""
        from kmeans_xp import assign

        labels, distances = assign(X, _beside(X, self.centers))
        return to_host(labels), float(to_host(distances).sum(dtype=np.float64))


@dataclass(frozen=True)
class Leaves(Rule):
    """A row goes down a tree of bisections, at each to the nearer half."""

    tree: Tree

    @classmethod
    def found(cls, result: Any) -> Self:
        """Return the rule that a result with a tree stands for."""
        return cls(np.array(to_host(result.centers)), result.tree)

    def label(self, X: Any) -> tuple[Array, float]:
        """Return labels, and the inertia."""
        from kmeans_xp import inertia

        labels = predict_leaves(open_rows(X), self.tree)
        return to_host(labels), inertia(X, _beside(X, self.centers), labels)

    def stored(self) -> dict[str, Any]:
        """Return the tree."""
        return {f"tree_{name}": value for name, value in asdict(self.tree).items()}

    @classmethod
    def restored(cls, stored: Mapping[str, Array]) -> Self:
        """Return the rule, after checking that the tree is one."""
        centers, tree = stored["fitted_centers"], _fields_of(Tree, "tree", stored)
        tree = tree.checked("tree")
        if len(tree.children) >= len(centers) or tree.centers.shape[2:] != centers.shape[1:]:
            raise ValueError(f"its tree has centers of shape {tree.centers.shape}")
        return cls(centers, tree)


@dataclass(frozen=True)
class NearestMedoid(Rule):
    """A row belongs to the nearest of the fit's rows that are medoids, by a metric with a name.

    Its centres are these rows, of features or of distances.
    """

    objective: ClassVar[str] = "loss"
    medoid_indices: Array
    metric: Metric

    @property
    def of_distances(self) -> bool:
        """Whether rows hold their distances to the rows of the fit instead of features."""
        return self.metric == PRECOMPUTED

    def label(self, X: Any) -> tuple[Array, float]:
        """Return labels, and the loss."""
        rows = open_rows(X)
        medoids = self.medoid_indices if self.of_distances else self.centers
        labels = predict_medoids(rows, medoids, self.metric)
        return to_host(labels), medoid_loss(rows, medoids, self.metric, None)

    def details(self) -> dict[str, Any]:
        """Return which rows of the fit the medoids are, counted from 0, and the metric."""
        return {"medoid_indices": self.medoid_indices.tolist(), "metric": self.metric}

    def stored(self) -> dict[str, Any]:
        """Return which rows the medoids are, and the metric."""
        return {"medoid_indices": self.medoid_indices, "metric": self.metric}

    @classmethod
    def restored(cls, stored: Mapping[str, Array]) -> Self:
        """Return the rule, after checking that rows can be measured by it."""
        centers, metric = stored["fitted_centers"], check_metric(str(stored["metric"]))
        k, d = centers.shape
        rows = d if metric == PRECOMPUTED else np.iinfo(np.int64).max
        indices = check_numbers(stored["medoid_indices"], "medoid_indices", int(rows))
        if len(indices) != k:
            raise ValueError(f"it has {k} medoids, but medoid_indices are {len(indices)}")
        if metric == "cosine" and not centers.any(axis=1).all():
            raise ValueError("a medoid is zero, which has no direction")
        return cls(centers, np.array(indices), metric)


@dataclass(frozen=True)
class Embedded(Rule):
    """A row belongs to the nearest centre in a spectral embedding.

    Its centres are the means of the clusters' rows, which nothing depends on. Without landmarks,
    which have empty arrays then, only the rows of the fit have a place in the embedding.
    """

    affinity: str
    n_neighbors: int
    landmarks: Array
    landmark_embedding: Array
    embedding_centers: Array

    @classmethod
    def fitted(cls, X: Any, labels: Array, result: Any, affinity: str, n_neighbors: int) -> Self:
        """Return the rule that a result stands for, of which the labels are on the host."""
        rows, k = open_rows(X), len(result.sizes)
        means = _means(rows, labels, k)
        arrays = (result.landmarks, result.landmark_embedding, result.centers)
        if result.landmarks is None:
            arrays = (np.zeros((0, rows.shape[1])), np.zeros((0, k)), result.centers)
        return cls(means, affinity, n_neighbors, *(np.array(to_host(a)) for a in arrays))

    @property
    def of_distances(self) -> bool:
        """Whether rows hold their distances or affinities to all rows instead of features."""
        return self.affinity.startswith(PRECOMPUTED)

    def label(self, X: Any) -> tuple[Array, float]:
        """Return labels, and the inertia in the embedding."""
        from kmeans_xp import assign

        parts = self.landmarks, self.landmark_embedding, self.n_neighbors
        embedding = embedded_by_landmarks(open_rows(X), *parts)
        labels, distances = assign(embedding, _beside(embedding, self.embedding_centers))
        return to_host(labels), float(to_host(distances).sum(dtype=np.float64))

    def details(self) -> dict[str, Any]:
        """Return the affinity."""
        return {"affinity": self.affinity}

    def stored(self) -> dict[str, Any]:
        """Return what places rows in the embedding."""
        names = (field.name for field in fields(self) if field.name != "centers")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restored(cls, stored: Mapping[str, Array]) -> Self:
        """Return the rule, after checking that rows can be labelled by it."""
        centers, n_neighbors = stored["fitted_centers"], int(stored["n_neighbors"])
        names = ("landmarks", "landmark_embedding", "embedding_centers")
        landmarks, embedding, embedded = arrays = [stored[name] for name in names]
        k, d = centers.shape
        p = len(landmarks)
        shapes = {"landmarks": (p, d), "landmark_embedding": (p, k), "embedding_centers": (k, k)}
        for array, (name, shape) in zip(arrays, shapes.items(), strict=True):
            if p == 0 or array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}")
        affinity = str(stored["affinity"])
        if n_neighbors < 1 or affinity != LANDMARKS:
            raise ValueError(f"n_neighbors is {n_neighbors} and affinity {affinity!r}")
        return cls(centers, affinity, n_neighbors, landmarks, embedding, embedded)


def _means(rows: Rows, labels: Array, k: int) -> Array:
    """Return the mean of the rows of each cluster, (k, d), in the dtype of the rows."""
    d = rows.shape[1]
    sums = np.zeros((k, d))
    for part in parts(len(labels), ROWS // d):
        np.add.at(sums, labels[part], to_host(rows.block(part.start, part.stop)))
    counts = np.bincount(labels, minlength=k)
    dtype = to_host(rows.block(0, 1)).dtype
    return (sums / np.maximum(counts, 1)[:, None]).astype(dtype)


@dataclass(frozen=True)
class Likeliest(Rule):
    """A row belongs to the component of a mixture that has the largest share in it."""

    objective: ClassVar[str] = "log_likelihood"
    averaged: ClassVar[bool] = True
    mixture: Mixture

    def label(self, X: Any) -> tuple[Array, float]:
        """Return labels, and the sum of the rows' log-likelihoods."""
        rows = open_rows(X)
        labels = predicted(rows, self.mixture, label_step)
        mean = mean_log_density(rows, None, self.mixture, checked=True)
        return to_host(labels), mean * rows.shape[0]

    def shares(self, X: Any) -> Array:
        """Return the shares of the components in rows, (n, k), on the host."""
        return to_host(predicted(open_rows(X), self.mixture, share_step))

    def spread(self) -> Array:
        """Return covariances of each component, (k, d, d), or variances, (k, d)."""
        mixture = self.mixture
        k, d = mixture.means.shape
        if mixture.kind in MATRICES:
            return np.broadcast_to(mixture.covariances, (k, d, d))
        variances = mixture.covariances.reshape(-1, d if mixture.kind == "diag" else 1)
        return np.broadcast_to(variances, (k, d))

    def details(self) -> dict[str, Any]:
        """Return the weights, and either the covariances' type or the stiffness."""
        mixture = self.mixture
        told: dict[str, Any] = {"weights": mixture.weights.tolist()}
        if mixture.kind == "shared":
            return told | {"stiffness": 1 / float(mixture.covariances)}
        return told | {"covariance_type": mixture.kind}

    def stored(self) -> dict[str, Any]:
        """Return the mixture."""
        return {f"mixture_{name}": value for name, value in asdict(self.mixture).items()}

    @classmethod
    def restored(cls, stored: Mapping[str, Array]) -> Self:
        """Return the rule, after checking that the mixture is one."""
        mixture = _fields_of(Mixture, "mixture", stored)
        k, d = stored["fitted_centers"].shape
        shapes = dict.fromkeys(("covariances", "factors"), covariance_shape(mixture.kind, k, d))
        shapes |= {"weights": (k,), "means": (k, d), "origin": (d,), "spread": (d,)}
        for name, shape in shapes.items():
            values = getattr(mixture, name)
            if values.shape != shape:
                raise ValueError(f"mixture_{name} has shape {values.shape}")
        for name in ("covariances", "factors"):
            values = getattr(mixture, name)
            if mixture.kind in MATRICES:
                values = np.diagonal(values, axis1=-2, axis2=-1)
            if (values <= 0).any():
                raise ValueError(f"mixture_{name} is not positive")
        if mixture.kind not in KINDS:
            raise ValueError(f"mixture_kind is {mixture.kind!r}")
        if (mixture.weights < 0).any() or abs(mixture.weights.sum() - 1) > ROUNDING:
            raise ValueError("mixture_weights do not add up to 1")
        if (mixture.spread < 0).any():
            raise ValueError("mixture_spread is negative")
        return cls(stored["fitted_centers"], mixture)


def _beside(X: Any, centers: Array) -> Any:
    """Return centres where rows live."""
    rows = open_rows(X)
    return rows.deliver(rows.small(centers, rows.dtype))


def _fields_of(kind: type, prefix: str, stored: Mapping[str, Array]) -> Any:
    """Return the dataclass of which a model file holds the fields, each behind a prefix."""
    values = {field.name: stored[f"{prefix}_{field.name}"] for field in fields(kind)}
    return kind(**{n: str(v) if v.dtype.kind == "U" else v for n, v in values.items()})
