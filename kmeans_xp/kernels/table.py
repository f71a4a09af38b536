"""The one table of kernels, and how one is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat

from kmeans_xp.arrays import Array, Namespace
from kmeans_xp.kernels import fast, fast_compile, host, portable
from kmeans_xp.kernels.blocks import even_blocks
from kmeans_xp.kernels.frame import Frame
from kmeans_xp.kernels.pair import Pair, portable_pair
from kmeans_xp.kernels.pair_host import HostPair
from kmeans_xp.kernels.pair_tracker import PairTracker, find_pair_tracker
from kmeans_xp.kernels.pull import Learned, Puller, portable_puller
from kmeans_xp.kernels.pull_host import find_pull, learn
from kmeans_xp.kernels.seeder import Seeder
from kmeans_xp.kernels.seeding import find_seeder
from kmeans_xp.kernels.sums import host_sums_about, sums_about


@dataclass(frozen=True)
class Kernel:
    """One implementation of the hot primitives.

    Attributes
    ----------
    name : str
        What the result reports, and what ``algorithm=`` may ask for.
    algorithm : str
        The algorithm that it implements; ``algorithm=`` may ask for the best of those.
    runs_on : callable
        Whether it takes arrays of a namespace, now.
    block_rows : callable
        (k, d) -> rows that a block should have.
    labels, nearest, own_distances, distances, sum_by_label, count : callable
        As `kmeans_xp.kernels.portable` specifies.
    sums_about : callable
        As `kmeans_xp.kernels.sums` specifies.
    puller : callable
        (operations of a batch, dtype of its rows) -> a `Puller`.
    pair : callable
        (centers, reach) -> two centres prepared; no row may have a larger norm than `reach`,
        which may be None.
    learn : callable, optional
        As `kmeans_xp.kernels.pull_host` specifies: all that a batch asks for, at once.
    pair_tracker : callable, optional
        (shape, dtype, about) -> what is remembered of rows that are divided in two, where steps
        may write beside them.
    label_all, distances_all : callable, optional
        As `kmeans_xp.kernels.fast` specifies: of all rows at once, what steps find of blocks.
    seeder : callable, optional
        (shape, k, trials, origin, dtype, few) -> what greedy k-means++ remembers of rows that
        steps may write beside; None where it would not pay.
    """

    name: str
    algorithm: str
    runs_on: Callable[[Namespace], bool]
    block_rows: Callable[[int, int], int]
    labels: Callable[[Array, Frame], Array]
    nearest: Callable[[Array, Frame], tuple[Array, Array]]
    own_distances: Callable[[Array, Frame, Array], Array]
    distances: Callable[[Array, Frame, Any], Array]
    sum_by_label: Callable[[Array, Array, Array | None, Frame], tuple[Array, Array]]
    count: Callable[[Array, int], Array]
    sums_about: Callable[[Array, Array | None, Array], tuple[Array, Array, Array]]
    puller: Callable[[int, Any], Puller]
    pair: Callable[[Array, float | None], Pair]
    pair_tracker: Callable[..., PairTracker] | None
    seeder: Callable[..., Seeder | None] | None
    label_all: Callable[..., tuple[Array, Array, float] | None] | None
    distances_all: Callable[..., tuple[Array, float] | None] | None
    learn: Callable[..., Learned | None] | None

    def even_rows(self, n: int, k: int, d: int) -> int:
        """Return how many of n rows a block should have, where they are passed over once."""
        most = self.block_rows(k, d)
        return most if n <= most else even_blocks(n, most)


def _kernel(
    name: str,
    module: Any,
    runs_on: Callable[[Namespace], bool],
    sums_about: Callable[[Array, Array | None, Array], tuple[Array, Array, Array]],
    puller: Callable[[int, Any], Puller],
    pair: Callable[[Array, float | None], Pair],
    pair_tracker: Callable[..., PairTracker] | None = None,
    seeder: Callable[..., Seeder | None] | None = None,
    label_all: Callable[..., tuple[Array, Array, float] | None] | None = None,
    distances_all: Callable[..., tuple[Array, float] | None] | None = None,
    learn: Callable[..., Learned | None] | None = None,
) -> Kernel:
    return Kernel(
        name,
        "lloyd",
        runs_on,
        module.block_rows,
        module.labels,
        module.nearest,
        module.own_distances,
        module.distances,
        module.sum_by_label,
        module.count,
        sums_about,
        puller,
        pair,
        pair_tracker,
        seeder,
        label_all,
        distances_all,
        learn,
    )


def _any_namespace(xp: Namespace) -> bool:
    return True


def _compiled(xp: Namespace) -> bool:
    return array_api_compat.is_numpy_namespace(xp) and fast.ready()


_numpy = array_api_compat.is_numpy_namespace

# The first row that fits is taken, so tuned kernels stand above the portable one.
TABLE: tuple[Kernel, ...] = (
    _kernel(
        "numba",
        fast,
        _compiled,
        host_sums_about,
        find_pull,
        HostPair.of,
        find_pair_tracker,
        find_seeder,
        fast.label_all,
        fast.distances_all,
        learn,
    ),
    _kernel(
        "numpy",
        host,
        _numpy,
        host_sums_about,
        find_pull,
        HostPair.of,
        find_pair_tracker,
        find_seeder,
    ),
    _kernel("portable", portable, _any_namespace, sums_about, portable_puller, portable_pair),
)


def find_labeller(xp: Namespace, shape: tuple[int, int], k: int, dtype: Any) -> Kernel:
    """Return the kernel for one pass over rows of this shape, which labels them by k centres."""
    if _numpy(xp):
        fast.fetch(shape, k, dtype)
    return find_kernel(xp)


def find_kernel(xp: Namespace, algorithm: str = "auto", *, besides: Sequence[str] = ()) -> Kernel:
    """Return the kernel for arrays of `xp` that `algorithm` asks for.

    Parameters
    ----------
    xp : namespace
        Of the blocks.
    algorithm : str
        ``"auto"``, an algorithm, or a kernel by its name.
    besides : sequence of str
        What the caller knows that is no kernel, for the error.

    Raises
    ------
    ValueError
        If there is no such kernel, or it does not take arrays of this namespace.
    """
    if algorithm == "numba":
        fast_compile.compile_all()
    for kernel in TABLE:
        if algorithm in ("auto", kernel.algorithm, kernel.name) and kernel.runs_on(xp):
            return kernel
    fitting = [kernel for kernel in TABLE if kernel.runs_on(xp)]
    algorithms, kernels = (k.algorithm for k in fitting), (k.name for k in fitting)
    names = dict.fromkeys(("auto", *algorithms, *kernels, *besides))
    why = fast_compile.trouble()
    raise ValueError(
        f"algorithm must be one of {', '.join(map(repr, names))} for arrays of {xp.__name__}, "
        f"got {algorithm!r}." + (f" Numba cannot be used here: {why}." if why else "")
    )
