"""The work by its definition, for comparison."""

import hashlib


def advanced(state: bytes, iterations: int) -> bytes:
    """The raw state so many iterations later."""
    for _ in range(iterations):
        state = hashlib.sha512(state).digest()
    return state


def value_of(data: bytes, iterations: int) -> str:
    """The value of a job, in hex."""
    return advanced(data, iterations).hex()
