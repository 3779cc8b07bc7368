"""Errors of the measurements."""

from holdfast.core.errors import HoldfastError


class BenchError(HoldfastError):
    """A measurement could not be made."""

    code = "bench"
