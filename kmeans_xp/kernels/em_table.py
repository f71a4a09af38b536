"""The table of EM kernels, and how one is chosen."""

from collections.abc import Callable
from dataclasses import dataclass

import array_api_compat

from kmeans_xp.arrays import Array, Namespace
from kmeans_xp.kernels import em_host, em_portable
from kmeans_xp.kernels.components import MATRICES, Components, monomial_count

# Monomials of matrices up to which two products of them are faster than two products a component.
MANY = 900


@dataclass(frozen=True)
class EMKernel:
    """One implementation of the two halves of an EM iteration.

    Attributes
    ----------
    name : str
        For tests and benchmarks.
    exact : bool
        Whether differences are taken, so that moments are about the components' means.
    runs_on : callable
        Whether it takes arrays of a namespace.
    block_rows : callable
        (k, p, d) -> rows that a block should have.
    prepare, expect, moments : callable
        As `kmeans_xp.kernels.em_portable` specifies.
    scores : callable, optional
        As `kmeans_xp.kernels.em_portable` specifies; only where polynomials are used.
    fetch : callable, optional
        (n, k, p) -> what is compiled for so many rows, components and monomials is loaded, if
        that is worth while before a pass over them.
    """

    name: str
    exact: bool
    runs_on: Callable[[Namespace], bool]
    block_rows: Callable[[int, int, int], int]
    prepare: Callable[[Array, Array, str], Array]
    expect: Callable[[Array, Components], tuple[Array, Array]]
    moments: Callable[[Array, Array, Components], Array]
    scores: Callable[[Array, Array], Array] | None = None
    fetch: Callable[[int, int, int], None] | None = None


def _any_namespace(xp: Namespace) -> bool:
    return True


# The first row that fits is taken, so tuned kernels stand above the portable ones.
TABLE: tuple[EMKernel, ...] = (
    EMKernel(
        "numpy polynomial",
        False,
        array_api_compat.is_numpy_namespace,
        em_host.polynomial_rows,
        em_host.monomials,
        em_host.expect_by_polynomial,
        em_host.moments_by_polynomial,
        em_host.scores,
        em_host.fetch,
    ),
    EMKernel(
        "portable polynomial",
        False,
        _any_namespace,
        em_portable.polynomial_rows,
        em_portable.monomials,
        em_portable.expect_by_polynomial,
        em_portable.moments_by_polynomial,
        em_portable.scores,
    ),
    EMKernel(
        "numpy difference",
        True,
        array_api_compat.is_numpy_namespace,
        em_host.difference_rows,
        em_portable.differences,
        em_host.expect_by_difference,
        em_host.moments_by_difference,
    ),
    EMKernel(
        "portable difference",
        True,
        _any_namespace,
        em_portable.difference_rows,
        em_portable.differences,
        em_portable.expect_by_difference,
        em_portable.moments_by_difference,
    ),
)


def find_em_kernel(xp: Namespace, kind: str, d: int, *, exact: bool = False) -> EMKernel:
    """Return the kernel for arrays of `xp` with d features and components of a kind.

    By difference if `exact` or if that is faster, else by polynomial.
    """
    exact = exact or (kind in MATRICES and monomial_count(kind, d) > MANY)
    return next(kernel for kernel in TABLE if kernel.exact == exact and kernel.runs_on(xp))
