"""What every end-to-end bench computes: distinct bodies with the values that hashlib gives."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BODY_BYTES = 16 * 1024
ITERATIONS = 10


@dataclass(frozen=True)
class Sample:
    """Some data, how often to hash it, and the hex value that must come back."""

    body: bytes
    iterations: int
    value: str


def made_samples(count: int, seed: int) -> list[Sample]:
    """`count` samples with distinct bodies, the same ones for the same seed."""
    source = random.Random(seed)
    return [_sample(source.randbytes(BODY_BYTES)) for _ in range(count)]


def _sample(body: bytes) -> Sample:
    value = hashlib.sha512(body).digest()
    for _ in range(ITERATIONS - 1):
        value = hashlib.sha512(value).digest()
    return Sample(body, ITERATIONS, value.hex())


def check(
    ids: Sequence[str], samples: Sequence[Sample], results: Iterable[tuple[str, str]]
) -> None:
    """Every submitted id has one result, and it is the right one. Raises ValueError otherwise."""
    wanted: Mapping[str, str] = {
        job_id: sample.value for job_id, sample in zip(ids, samples, strict=True)
    }
    missing = set(wanted)
    for job_id, value in results:
        if value != wanted[job_id]:
            raise ValueError(f"job {job_id} has a wrong result")
        missing.remove(job_id)
    if missing:
        raise ValueError(f"{len(missing)} jobs have no result")
