"""Random draws: made on the host, so that every backend starts from the same ones."""

import numbers

import numpy as np


def as_generator(rng: object, name: str = "rng") -> np.random.Generator:
    """Return the generator that `rng` stands for.

    Parameters
    ----------
    rng : None, int or numpy.random.Generator
        None draws fresh entropy; an int is a seed; a generator is used, and advanced.
    name : str
        The argument's name, for the error.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    TypeError
        If `rng` is none of these.
    ValueError
        If the seed is negative.
    """
    check_rng(rng, name)
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, np.random.RandomState):
        return np.random.default_rng(rng.randint(2**31, size=4))
    return np.random.default_rng(None if rng is None else int(rng))  # type: ignore[call-overload]


def as_random_state(generator: np.random.Generator) -> np.random.RandomState:
    """Return the older kind of generator, as scikit-learn hands it out, seeded by `generator`."""
    return np.random.RandomState(generator.integers(2**32, size=4))


def check_rng(rng: object, name: str = "rng") -> None:
    """Require of `rng` what `as_generator` does."""
    if rng is None or isinstance(rng, np.random.Generator | np.random.RandomState):
        return
    if isinstance(rng, bool | np.bool_) or not isinstance(rng, numbers.Integral):
        raise TypeError(
            f"{name} must be None, an int or a numpy.random.Generator, got {rng!r}. "
            "Pass a seed, for instance 0."
        )
    if rng < 0:
        raise ValueError(f"{name} must not be negative as a seed, got {rng}. Pass 0 or more.")


def uniforms(seed: int, start: int, stop: int) -> np.ndarray:
    """Return draws `start` to `stop` of those that a seed gives, each from [0, 1).

    Whoever has some of the rows makes the draws of these alone.
    """
    bits = np.random.PCG64(seed)
    bits.advance(start)
    return np.random.Generator(bits).random(stop - start)
