"""The work by its definition, for comparison."""

import hashlib


def value_of(data: bytes, iterations: int) -> str:
    for _ in range(iterations):
        data = hashlib.sha512(data).digest()
    return data.hex()
