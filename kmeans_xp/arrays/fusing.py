"""Functions of arrays that run compiled as a whole, where their library can do that."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar, cast

import array_api_compat

Call = TypeVar("Call", bound=Callable[..., Any])


def fused(*static: str) -> Callable[[Call], Call]:
    """Let a function, whose first argument is an array, be one operation for JAX.

    Otherwise JAX would compile and start each of its operations by itself, which takes several
    times as long. Other libraries call the function as it is. A division whose last digit counts
    stays outside: JAX makes one by a broadcast array a product with the inverse.

    Parameters
    ----------
    static : str
        Arguments that shapes or dtypes follow from. All others are arrays, numbers, None, or named
        tuples of these; shapes must not depend on their values.
    """

    def decorate(function: Call) -> Call:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            if array_api_compat.is_jax_array(args[0]):
                return _compiled(function, static)(*args, **kwargs)
            return function(*args, **kwargs)

        return cast(Call, run)

    return decorate


@cache
def _compiled(function: Callable[..., Any], static: tuple[str, ...]) -> Callable[..., Any]:
    import jax

    return cast(Callable[..., Any], jax.jit(function, static_argnames=static))
