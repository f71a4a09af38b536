"""The scikit-learn estimator of Gaussian mixtures."""

import math
from functools import partial
from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from kmeans_xp.algorithms.mixture.em import Delivered, Fit, MixtureCallback, State
from kmeans_xp.algorithms.mixture.em_starts import MixtureInit, check_mixing
from kmeans_xp.algorithms.mixture.expectation import assigned, require_density
from kmeans_xp.algorithms.mixture.fit import COVARIANCE_TYPES, CovarianceType, fit_gaussian_mixture
from kmeans_xp.algorithms.mixture.parameters import (
    Mixture,
    are_inverse,
    covariance_shape,
    drawn,
    from_covariances,
    from_factors,
    from_precisions,
    rounding,
)
from kmeans_xp.arrays import Array, as_array, to_like
from kmeans_xp.arrays.checks import check_choice, check_count
from kmeans_xp.arrays.draws import as_generator
from kmeans_xp.arrays.dtypes import working_dtype
from kmeans_xp.arrays.precision import quiet
from kmeans_xp.estimators.densities import Densities

# scikit-learn's names for the starts.
InitParams = Literal["kmeans", "k-means++", "k-means||", "random", "random_from_data"]
INITS: dict[InitParams, MixtureInit] = {
    "kmeans": "k-means",
    "k-means++": "k-means++",
    "k-means||": "k-means||",
    "random": "random shares",
    "random_from_data": "random",
}
# The attributes that say how components are spread, and what makes covariances and factors of
# them; the first that is there decides.
SPREADS = {
    "precisions_cholesky_": from_factors,
    "covariances_": from_covariances,
    "precisions_": from_precisions,
}


class GaussianMixture(Densities):
    """A mixture of Gaussians.

    Parameters
    ----------
    n_components : int
        How many Gaussians, k.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Whether each component has a covariance matrix of its own, all share one, or each has
        a variance for each feature, or one variance.
    tol : float
        Converged if the mean log-likelihood of a row changes by at most this.
    reg_covar : float
        Added to the variances, so that none collapses.
    max_iter : int
        The most iterations of one start. With 0 the first start is the result.
    n_init : int
        How many starts to try; the largest log-likelihood is kept.
    init_params : {"kmeans", "k-means++", "k-means||", "random", "random_from_data"}
        Where to start: from the clusters of k-means, those around centres of k-means++ or
        k-means||, random responsibilities, or the clusters around random rows.
    weights_init : array of shape (k,), optional
        Weights to start from, with the sum 1.
    means_init : array of shape (k, d), optional
        Means to start from, in place of those that `init_params` finds.
    precisions_init : array, optional
        Inverse covariances to start from; of shape (k, d, d), (d, d), (k, d) or (k,).
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Where random draws come from.
    warm_start : bool
        Whether `fit` goes on from where it ended before, and has converged if the log-likelihood
        has hardly changed since.
    verbose : int
        If not 0, show the progress on standard error.
    verbose_interval : int
        After how many iterations it is shown again.
    callback : callable, optional
        Called with a `MixtureIteration` after each one; if it returns true, the fit ends there.

    Attributes
    ----------
    weights_ : array of shape (k,)
        Of the components; they add up to 1. Like all the arrays here they live where X lives, in
        its dtype.
    means_ : array of shape (k, d)
        Of the components.
    covariances_, precisions_, precisions_cholesky_ : array
        Covariances, their inverses, and factors F of these, F Fᵀ; of shape (k, d, d), (d, d),
        (k, d) or (k,), by `covariance_type`. All methods use `weights_`, `means_` and
        `precisions_cholesky_` as they are now, and so does a `warm_start`. Whoever writes to
        `covariances_` or `precisions_` writes factors that agree, else it is an error; without
        factors, the former make them.
    converged_ : bool
        Whether the best start ended because the log-likelihood stood still.
    n_iter_ : int
        Iterations of the best start.
    lower_bound_ : float
        Log-likelihood of the parameters that the last iteration started from; minus infinity if
        there was none.
    lower_bounds_, history_ : sequence of float
        The same of every iteration.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of shape (d,)
        Names of the features, where X is a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_xp import GaussianMixture
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 0.0], [10.0, 2.0], [10.0, 4.0], [10.0, 0.0]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> sorted(model.means_.round(6).tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    >>> labels = model.predict([[0.0, 0.0], [12.0, 3.0]])
    >>> bool(labels[0] != labels[1])
    True
    """

    __module__ = "kmeans_xp"  # Pickles outlive moves.

    CENTERS = "means_"
    PARAMETERS = (
        "weights_",
        "means_",
        "covariances_",
        "precisions_",
        "precisions_cholesky_",
    )

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: CovarianceType = "full",
        tol: float = 1e-3,
        reg_covar: float = 1e-6,
        max_iter: int = 100,
        n_init: int = 1,
        init_params: InitParams = "kmeans",
        weights_init: Array | None = None,
        means_init: Array | None = None,
        precisions_init: Array | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        callback: MixtureCallback | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.callback = callback

    def fit_predict(self, X: Array, y: None = None, sample_weight: Array | None = None) -> Array:
        """Fit the mixture, and return the component of each row, (n,) int32."""
        fit = self._fit(X, sample_weight)
        return assigned(fit.rows, fit.weights, self._mixture, shares=False)[1]

    def _fit(self, X: Array, sample_weight: Array | None) -> Fit:
        """Fit, and return what was fitted to."""
        init = INITS[check_choice(self.init_params, "init_params", tuple(INITS))]
        every = check_count(self.verbose_interval, "verbose_interval")
        goes_on = self.warm_start and not vars(self).keys().isdisjoint(self.PARAMETERS)
        before = vars(self).get("lower_bound_", -math.inf)
        start = State(self._density(), before) if goes_on else None
        algorithm = partial(fit_gaussian_mixture, init=init, start=start)
        fit = self._run(algorithm, X, sample_weight, end=self.max_iter, every=every)
        run = fit.run
        parts = Delivered.of(fit.rows, run.state.mixture)
        validate_data(self, X, skip_check_array=True)
        self._set_parameters(
            run.state.mixture,
            weights_=parts.weights,
            means_=parts.means,
            covariances_=parts.covariances,
            precisions_=parts.precisions,
            precisions_cholesky_=parts.factors,
        )
        self.lower_bound_ = run.history[-1] if run.history else -math.inf
        self.lower_bounds_ = list(run.history)
        self._set_run(run)
        return fit

    def bic(self, X: Array) -> float:
        """Return the Bayesian information criterion of the mixture for `X`; less is better."""
        n = self._open(X).shape[0]
        return self._deviance(X) + self._density().parameter_count() * math.log(n)

    def aic(self, X: Array) -> float:
        """Return Akaike's information criterion of the mixture for `X`; less is better."""
        return self._deviance(X) + 2 * self._density().parameter_count()

    def sample(self, n_samples: int = 1) -> tuple[Array, Array]:
        """Draw new rows from the mixture.

        Parameters
        ----------
        n_samples : int
            How many rows.

        Returns
        -------
        X : array of shape (n_samples, d)
            Like `means_`, component by component.
        y : array of shape (n_samples,), int32
            Their components.
        """
        check_is_fitted(self)
        generator = as_generator(self.random_state, "random_state")
        X, y = drawn(self._density(), check_count(n_samples, "n_samples"), generator)
        like = as_array(self.means_, "means_")
        return to_like(X, like, working_dtype(like, "means_")), to_like(y, like)

    def _deviance(self, X: Array) -> float:
        rows = self._open(X)
        deviance = -2 * self.score(X) * rows.shape[0]
        require_density(rows, deviance, rows.wide)
        return deviance

    def _described(self) -> Mixture:
        means = self._centers().astype(np.float64)
        weights = self._fitted("weights_", (len(means),)).astype(np.float64)
        check_mixing(weights, "weights_")
        kind = check_choice(self.covariance_type, "covariance_type", COVARIANCE_TYPES)
        deciding = next((name for name in SPREADS if name in vars(self)), "precisions_cholesky_")
        held = self._spread(deciding, kind, means.shape)
        with quiet():
            found = SPREADS[deciding](held, kind, deciding)
        if not all(np.isfinite(part).all() for part in found):
            raise ValueError(f"{deciding} must fit float64 when inverted, but overflows. Scale it.")
        mixture = Mixture.amid(kind, weights, means, *found)
        for name in self._written() & vars(self).keys() & SPREADS.keys() - {deciding}:
            self._check_agreement(mixture, name, deciding)
        return mixture

    def _spread(self, name: str, kind: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return covariances, precisions or their factors."""
        return self._fitted(name, covariance_shape(kind, *shape)).astype(np.float64)

    def _check_agreement(self, mixture: Mixture, name: str, deciding: str) -> None:
        """Require the attribute `name` to say the same as the one that `mixture` is made of."""
        held = self._spread(name, mixture.kind, mixture.means.shape)
        pair = mixture.covariances, mixture.precisions
        pair = (held, pair[1]) if name == "covariances_" else (pair[0], held)
        if not are_inverse(*pair, mixture.kind, max(rounding(held), rounding(mixture.factors))):
            raise ValueError(
                f"{name} must agree with {deciding}, which decides, but it was changed alone. "
                "Write precisions_cholesky_ too: factors F of the inverse covariances, F Fᵀ."
            )
