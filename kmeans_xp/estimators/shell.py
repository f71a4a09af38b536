"""What every estimator shares: how it fits, opens rows, and is pickled."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from kmeans_xp.arrays import Array, to_host
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.estimators.progress import Callback, progress
from kmeans_xp.rows import Rows, open_rows

T = TypeVar("T")

# The fitted attributes that live where X lives.
ARRAYS = {
    "cluster_centers_",
    "covariances_",
    "labels_",
    "means_",
    "precisions_",
    "precisions_cholesky_",
    "weights_",
}


class Shell(BaseEstimator, metaclass=ABCMeta):
    """Base of the estimators, each a thin shell around an algorithm."""

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
        sample_weight : array of shape (n,), optional
            Non-negative weights of the rows; by default 1 each.

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
        with progress(self.verbose, self.callback, end, every=every) as callback:
            return algorithm(
                X,
                **options | {"callback": callback},
                sample_weight=sample_weight,
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
        if "n_features_in_" not in held:
            check_is_fitted(self)
        rows = open_rows(X)
        expected = type(X) is np.ndarray and rows.shape[1] == held["n_features_in_"]
        if not expected or "feature_names_in_" in held:
            validate_data(self, X, reset=False, skip_check_array=True)
        return rows

    def _remember(self, X: Array) -> None:
        """Keep how many features `X` has, and their names."""
        if type(X) is np.ndarray:  # It has no names to be asked for.
            self.n_features_in_ = X.shape[1]
            self.__dict__.pop("feature_names_in_", None)
        else:
            validate_data(self, X, skip_check_array=True)

    def __getstate__(self) -> dict[str, Any]:
        """Hold host arrays, so that a model saved on a GPU box opens without one."""
        state = super().__getstate__()
        return state | {name: to_host(state[name]) for name in ARRAYS & state.keys()}


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters, which take a while to be found."""
    return tuple(signature(function).parameters)
