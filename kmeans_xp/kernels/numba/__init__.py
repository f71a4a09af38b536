"""Operations compiled by Numba, the extra `fast`; `engine` is imported without it."""
