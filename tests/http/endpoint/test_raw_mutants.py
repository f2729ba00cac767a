"""Requests that nobody would send: thousands of them, each judged by what it has left behind."""

from __future__ import annotations

import pytest
from tests.http.endpoint.conftest import Running
from tests.http.endpoint.raw_judge import judge, say
from tests.http.endpoint.raw_mutants import mutant

EACH = 150


@pytest.mark.parametrize("seed", range(4))
def test_no_request_is_read_out_of_another(shared: Running, seed: int) -> None:
    """Whatever the frame, the cuts and the ending: right, or refused with nothing changed."""
    for number in range(EACH):
        said = mutant(f"{seed}.{number}")
        judge(shared.http, said, say(shared.port, said))
