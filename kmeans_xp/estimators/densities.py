"""What estimators of mixtures have in common: a fitted density, and what it says of rows."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import DensityMixin
from sklearn.exceptions import ConvergenceWarning

from kmeans_xp.algorithms.loop import Run
from kmeans_xp.algorithms.mixture.em import State
from kmeans_xp.algorithms.mixture.expectation import (
    density_step,
    label_step,
    mean_log_density,
    predicted,
    require_density,
    share_step,
)
from kmeans_xp.algorithms.mixture.parameters import Mixture
from kmeans_xp.arrays import Array, as_array, to_host
from kmeans_xp.estimators.shell import Shell


class Densities(DensityMixin, Shell):
    """Methods of an estimator of which the fitted attributes stand for a `Mixture`, on the host.

    So a model that was fitted on one backend predicts on another.
    """

    # The fitted attributes that stand for it; `_described` says which of them it needs.
    PARAMETERS: ClassVar[tuple[str, ...]]
    # What a fit found, in float64, and what its attributes were then.
    _mixture: Mixture
    _found: dict[str, np.ndarray]

    def predict(self, X: Array) -> Array:
        """Return the component of the largest probability of each row, (n,) int32."""
        return predicted(self._open(X), self._density(), label_step)

    def predict_proba(self, X: Array) -> Array:
        """Return the probabilities that rows belong to components, (n, k), where `X` lives."""
        return predicted(self._open(X), self._density(), share_step)

    def score_samples(self, X: Array) -> Array:
        """Return the log-likelihood of each row, (n,), where `X` lives."""
        return predicted(self._open(X), self._density(), density_step, finite=True)

    def score(self, X: Array, y: None = None, sample_weight: Array | None = None) -> float:
        """Return the weighted mean of the rows' log-likelihoods."""
        rows = self._open(X)
        found = mean_log_density(rows, sample_weight, self._density())
        require_density(rows, found, rows.wide)
        return found

    def _density(self) -> Mixture:
        """Return the mixture that the fitted attributes stand for.

        That is the one of the fit, of which they are rounded, until something else is written to
        them.
        """
        if self._written():
            return self._described()
        d = self._mixture.means.shape[1]
        # Another number of features is an error, which names the means.
        return self._mixture if vars(self).get("n_features_in_", d) == d else self._described()

    def _written(self) -> set[str]:
        """Return which of the attributes are not there, or not what a fit set them to."""
        held, found = vars(self), vars(self).get("_found", {})
        same = found.keys() & held.keys()
        same = {name for name in same if np.array_equal(_on_host(held, name), found[name])}
        return set(self.PARAMETERS) - same

    @abstractmethod
    def _described(self) -> Mixture:
        """Return the mixture that the attributes make, some of which the user wrote.

        Raises
        ------
        NotFittedError, TypeError, ValueError
            If one is not there, is not what it must be, or contradicts what was written to another.
        """

    def _set_parameters(self, mixture: Mixture, **values: Any) -> None:
        """Set the fitted attributes, which stand for `mixture`."""
        for name, value in values.items():
            setattr(self, name, value)
        self._mixture = mixture
        self._found = {name: np.array(_on_host(values, name)) for name in values}

    def _set_run(self, run: Run[State]) -> None:
        """Keep how the fit ended, and warn if it did not converge."""
        self.n_iter_ = run.n_iter
        self.converged_ = run.converged
        self.history_ = run.history
        if run.n_iter and not (run.converged or run.stopped):
            warnings.warn(
                f"The fit did not converge in max_iter={run.n_iter} iterations. Increase "
                "max_iter or tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=4,
            )


def _on_host(values: Mapping[str, Any], name: str) -> np.ndarray:
    """Return a value that a user may have written, whatever it is."""
    return to_host(as_array(values[name], name))
