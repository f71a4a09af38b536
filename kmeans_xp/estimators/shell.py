"""What every estimator shares: how it fits, opens rows, and is pickled."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from kmeans_xp.arrays import Array, as_array, to_host
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.frames import with_names
from kmeans_xp.arrays.namespace import is_array
from kmeans_xp.estimators.progress import Callback, progress
from kmeans_xp.rows import Rows, open_rows

T = TypeVar("T")

# The fitted attributes that live where X lives.
ARRAYS = {
    "cluster_centers_",
    "covariances_",
    "eigenvalues_",
    "embedding_",
    "embedding_centers_",
    "labels_",
    "landmark_embedding_",
    "landmarks_",
    "means_",
    "medoid_indices_",
    "precisions_",
    "precisions_cholesky_",
    "weights_",
}


class Shell(BaseEstimator, metaclass=ABCMeta):
    """Base of the estimators, each a thin shell around an algorithm.

    What a user writes to a fitted attribute is what the model then uses; attributes alone, without
    a fit, are enough.
    """

    # The attribute that holds the centres, (k, d).
    CENTERS: ClassVar[str] = "cluster_centers_"
    verbose: int
    random_state: Any
    callback: Callback | None

    def fit(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Self:
        """Fit to the rows of `X`.

        Parameters
        ----------
        X : array of shape (n, d)
            The rows.
        y : None
            Not used; here for scikit-learn's pipelines.
        sample_weight : array of shape (n,) or float, optional
            Non-negative weights of the rows, or one for all of them; by default 1 each.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            As the function of the same algorithm. A model that was fitted before stays as it
            was.
        """
        self._fit(X, sample_weight)
        return self

    @abstractmethod
    def _fit(self, X: Array, sample_weight: Array | None) -> object:
        """Run the algorithm, and set the fitted attributes only then."""

    def _run(
        self,
        algorithm: Callable[..., T],
        X: Array,
        sample_weight: Array | None,
        *,
        end: int | None,
        every: int = 1,
        rng: np.random.Generator | None = None,
    ) -> T:
        """Return what `algorithm` does with the estimator's parameters.

        Of its iterations, of which `end` is the last if that is known, each `every`-th is shown.
        """
        options = self._options(algorithm)
        if "sample_weight" in _parameters(algorithm):
            options["sample_weight"] = sample_weight
        with progress(self.verbose, self.callback, end, every=every) as callback:
            return algorithm(
                X,
                **options | {"callback": callback},
                rng=rng or as_generator(self.random_state, "random_state"),
            )

    def _options(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return those parameters of the estimator that `function` takes by the same name."""
        held = vars(self)
        return {name: held[name] for name in _parameters(function) if name in held}

    def _open(self, X: Array) -> Rows:
        """Return the rows of `X`, which must have the features of the fit."""
        # What needs no asking is not asked: it takes scikit-learn as long as a small prediction.
        held = vars(self)
        width = held.get("n_features_in_")
        if width is None:
            check_is_fitted(self)
            width = self._centers().shape[1]
        rows = open_rows(X)
        expected = rows.shape[1] == width
        if not (expected and is_array(X)) or "feature_names_in_" in held:
            validate_data(self, with_names(X), reset=False, skip_check_array=True)
        if not expected:
            raise ValueError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting {width} "
                "features as input."
            )
        return rows

    def _centers(self) -> np.ndarray:
        """Return the fitted centres on the host, (k, d)."""
        return self._fitted(self.CENTERS, (None, vars(self).get("n_features_in_")))

    def _center_count(self) -> int:
        """Return how many centres there are; an AttributeError if they are none.

        `dir` takes no other error from a property.
        """
        try:
            return len(self._centers())
        except (TypeError, ValueError) as error:
            raise AttributeError(str(error)) from error

    def _fitted(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Return a fitted attribute on the host, as it is now: the user may have written it.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If it is not there, or not a finite array of the `shape`, in which None is any size.
        """
        if name not in vars(self):
            raise self._lacking(name)
        array = as_array(vars(self)[name], name)
        working_dtype(array, name)
        host = to_host(array)
        fits = (size in (None, found) for size, found in zip(shape, host.shape, strict=False))
        if host.ndim != len(shape) or not all(fits) or host.size == 0:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{name} must have the shape ({wanted}), got {host.shape}.")
        if not np.isfinite(host).all():
            raise ValueError(f"{name} must be finite, but holds NaN or infinity. Check its values.")
        return host

    def _lacking(self, name: str) -> NotFittedError:
        """Return the error for a fitted attribute that is not there."""
        return NotFittedError(
            f"This {type(self).__name__} instance lacks the fitted attribute {name}. Call 'fit', "
            "or set it."
        )

    def _remember(self, X: Array) -> None:
        """Keep how many features `X` has, and their names."""
        if is_array(X):  # It has no names to be asked for.
            self.n_features_in_ = X.shape[1]
            self.__dict__.pop("feature_names_in_", None)
        else:
            validate_data(self, with_names(X), skip_check_array=True)

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn that arrays of any library are taken."""
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open a pickle; parameters that came after it was made have their defaults."""
        options = signature(type(self)).parameters.values()
        missing = {p.name: p.default for p in options if p.default is not p.empty}
        super().__setstate__(missing | state)

    def __getstate__(self) -> dict[str, Any]:
        """Hold host arrays, so that a model saved on a GPU box opens without one."""
        state = super().__getstate__()
        arrays = {name: state[name] for name in ARRAYS & state.keys()}
        # A user may have written a list, or None where it is not needed any more.
        return state | {n: to_host(a) for n, a in arrays.items() if is_array(a)}


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, which take a while to be found."""
    return tuple(signature(function).parameters)
