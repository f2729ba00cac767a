"""The second opinion: the same values from the standard library's hashlib alone."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import TypeAlias

from workmill.runtime.config import usable_cores

Work: TypeAlias = tuple[bytes, int]
"""Data and iterations."""


def plain_value(work: Work) -> bytes:
    """The work, done as the definition says it: hash the data, then hash the digest again."""
    value, iterations = work
    sha512 = hashlib.sha512
    for _ in range(iterations):
        value = sha512(value).digest()
    return value


def wrong_values(values: Mapping[Work, bytes]) -> list[Work]:
    """Which of these works have a value that hashlib does not agree with; uses every core."""
    context = multiprocessing.get_context("spawn")  # this process may hold threads: never fork it
    with ProcessPoolExecutor(usable_cores(), mp_context=context) as pool:
        expected = pool.map(plain_value, values)
        return [
            work
            for (work, value), right in zip(values.items(), expected, strict=True)
            if value != right
        ]
