"""The second opinion: the same values from the standard library's hashlib alone."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import TypeAlias

from workmill.telemetry.container_limits import usable_cores

Work: TypeAlias = tuple[bytes, int]
"""Data and iterations."""


def plain_value(work: Work) -> bytes:
    """The work, done as the definition says it: hash the data, then hash the digest again."""
    value, iterations = work
    sha512 = hashlib.sha512
    for _ in range(iterations):
        value = sha512(value).digest()
    return value


def are_right(values: Mapping[Work, bytes]) -> Iterator[bool]:
    """For each work, in order, whether hashlib comes to the same value; uses every core."""
    context = multiprocessing.get_context("spawn")  # this process holds threads: never fork it
    with ProcessPoolExecutor(usable_cores(), mp_context=context) as pool:
        for expected, value in zip(pool.map(plain_value, values), values.values(), strict=True):
            yield expected == value
