"""How many rows a block should have, by the entries that a device should work on at a time.

They bound the memory of a block, and are what its fixed costs are spread over.
"""

# Entries of a block's scores on a CPU, which should stay in its cache.
CPU_ENTRIES = 1 << 19
# The same of a mixture's monomials and shares.
CPU_MIXTURE_ENTRIES = 1 << 22
# Bytes that an operation takes for each entry of a block, at most: in double precision a copy, a
# difference and its square, and in the dtype of the rows what they are made from.
ENTRY_BYTES = 40
# The part of an accelerator's memory that a block may take beside X.
SHARE = 0.125
# Entries of a block on an accelerator at most: more do not make it faster, and some libraries
# count in 32 bits.
MOST_ENTRIES = 1 << 29
# Rows of a block at least, which repay the fixed costs of a step.
LEAST_ROWS = 64


def entries_of(memory: int) -> int:
    """Return the entries of a block for an accelerator with so many bytes of memory."""
    fit = int(memory * SHARE / ENTRY_BYTES)
    return min(1 << max(fit.bit_length() - 1, 0), MOST_ENTRIES)


def block_rows(k: int, d: int, entries: int = CPU_ENTRIES) -> int:
    """Return how many rows a block should have for k centres and d features."""
    return max(LEAST_ROWS, entries // max(k, d))


def polynomial_rows(k: int, p: int, d: int, entries: int = CPU_MIXTURE_ENTRIES) -> int:
    """Return how many rows a block should have: k components, p monomials, d features."""
    return max(LEAST_ROWS, entries // (p + k))


def difference_rows(k: int, p: int, d: int, entries: int = CPU_MIXTURE_ENTRIES) -> int:
    """Return how many rows a block should have, where each differs from k means."""
    return max(LEAST_ROWS, entries // (k * d))
