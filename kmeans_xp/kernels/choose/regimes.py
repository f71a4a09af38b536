"""Which sizes of a problem each compiled method is for. Imports nothing of the engines.

Engines ask these functions about the block at hand; everything else that is chosen, is chosen in
the other modules of this folder before an engine is called.
"""

from kmeans_xp.kernels.shared.projection import width_of

# Entries of rows, times centres, up to which all their differences are taken: these take 1 ns each,
# NumPy's calls around a product 50 us.
DIRECT_UP_TO = 1 << 17
# The same for iterations, which prepare less.
DIRECT_ITERATIONS_UP_TO = 1 << 16

# Sixteen rows at a time visit centres one by one, which a product of tiles beats where features are
# many: with 32 features they are level at k = 64. Products make little use of few centres, so that
# up to 16 of them the limit is 96 features (digits, d = 64, k = 10: a fit 3.1 -> 2.5 ms).
LOW_D_UP_TO, FEW_CENTERS, LOW_D_UP_TO_WITH_FEW = 32, 16, 96
# Loops over fewer features than this never get up to speed: NumPy sums several rows as one.
SUMMED_FROM = 8

# Euclidean distances between rows are by direct differences up to so many features, above by a
# product: in float32 with 512 features they take 46 instead of 66 ns, in float64 with 128 features
# 24 instead of 31 ns, with 512 120 instead of 52.
PAIRS_BY_DIFFERENCE_UP_TO = 256

# Neighbours are found by a tree up to so many features.
TREE_UP_TO = 6
# With so few features neighbours lie so near, beside the extent of the data, that bounds in float32
# tell few of them apart; a product in float64 is hardly slower there.
NARROW_FROM = 5
# Distances from the origin whose squares a narrower float holds, with digits to spare.
NARROW_LEAST, NARROW_MOST = 1e-12, 1e15

# Distances to clusters are added up cluster by cluster, for both rows of a pair at once, where
# clusters have so many rows on average: of fewer, calls take longer than distances. Of 20,000 rows
# with k = 300, 1000 and 2000 it takes 0.4, 0.9 and 1.5 times as long as row by row.
ROWS_OF_A_CLUSTER = 20


def is_direct(entries: int, k: int) -> bool:
    """Return whether NumPy compares rows of so many entries with k centres by all differences."""
    return entries * k <= DIRECT_UP_TO


def iterates_directly(entries: int, k: int) -> bool:
    """Return whether NumPy takes all differences in every iteration of a fit."""
    return entries * k <= DIRECT_ITERATIONS_UP_TO


def low_d_up_to(k: int) -> int:
    """Return up to how many features rows find k centres faster sixteen at a time."""
    return LOW_D_UP_TO_WITH_FEW if k <= FEW_CENTERS else LOW_D_UP_TO


def is_low_d(d: int, k: int) -> bool:
    """Return whether rows of d features find k centres faster sixteen at a time."""
    return d <= low_d_up_to(k)


def projects_once(d: int, k: int) -> bool:
    """Return whether products of projected rows take at most half as long as whole ones.

    For rows that are seen once, so that projecting them counts too.
    """
    return 2 * width_of(d) * (d + k) <= k * d


def measures_by_difference(d: int, metric: str) -> bool:
    """Return whether distances between rows are faster by direct differences than by a product."""
    return d <= PAIRS_BY_DIFFERENCE_UP_TO or metric in ("manhattan", "chebyshev")


def measures_by_cluster(n: int, k: int, metric: object) -> bool:
    """Return whether distances to clusters are faster pair by pair of clusters than row by row."""
    by_product = metric in ("euclidean", "sqeuclidean", "cosine")
    return by_product and n >= ROWS_OF_A_CLUSTER * k


def bounds_in_float32(d: int, radius: float) -> bool:
    """Return whether float32 serves for bounds of distances between rows of so large a radius."""
    return d >= NARROW_FROM and NARROW_LEAST < radius < NARROW_MOST


def has_tree(d: int) -> bool:
    """Return whether a tree of boxes finds neighbours amid rows of d features faster."""
    return d <= TREE_UP_TO
