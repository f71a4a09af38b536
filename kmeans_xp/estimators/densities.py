"""What estimators of mixtures have in common: a fitted density, and what it says of rows."""

import warnings

from sklearn.base import DensityMixin
from sklearn.exceptions import ConvergenceWarning

from kmeans_xp.algorithms.em import State
from kmeans_xp.algorithms.expectation import (
    density_step,
    label_step,
    mean_log_density,
    predicted,
    share_step,
)
from kmeans_xp.algorithms.gaussian import Mixture
from kmeans_xp.algorithms.loop import Run
from kmeans_xp.arrays import Array
from kmeans_xp.estimators.shell import Shell
from kmeans_xp.rows.arguments import open_weights


class Densities(DensityMixin, Shell):
    """Methods of an estimator that fitted a `Mixture`, which is on the host.

    So a model that was fitted on one backend predicts on another.
    """

    _mixture: Mixture

    def predict(self, X: Array) -> Array:
        """Return the component of the largest probability of each row, (n,) int32."""
        return predicted(self._open(X), self._mixture, label_step)

    def predict_proba(self, X: Array) -> Array:
        """Return the probabilities that rows belong to components, (n, k), where `X` lives."""
        return predicted(self._open(X), self._mixture, share_step)

    def score_samples(self, X: Array) -> Array:
        """Return the log-likelihood of each row, (n,), where `X` lives."""
        return predicted(self._open(X), self._mixture, density_step)

    def score(self, X: Array, y: None = None, sample_weight: Array | None = None) -> float:
        """Return the weighted mean of the rows' log-likelihoods."""
        rows = self._open(X)
        return mean_log_density(rows, open_weights(rows, sample_weight).array, self._mixture)

    def _set_run(self, run: Run[State]) -> None:
        """Keep how the fit ended, and warn if it did not converge."""
        self.n_iter_ = run.n_iter
        self.converged_ = run.converged
        self.history_ = run.history
        if not (run.converged or run.stopped):
            warnings.warn(
                f"The fit did not converge in max_iter={run.n_iter} iterations. Increase "
                "max_iter or tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=4,
            )
