"""Bytes become messages or a clear refusal, never something in between."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.domain.errors import InvalidInput
from workmill.domain.job import Completion, Job
from workmill.domain.lifecycle import Status
from workmill.wire import codecs
from workmill.wire.messages import BatchItem, JobView

completions = st.builds(
    Completion,
    id=st.binary(min_size=16, max_size=16),
    token=st.integers(0, 2**53),
    state=st.binary(min_size=64, max_size=64),
)


@given(st.lists(completions))
def test_what_a_worker_says_arrives_unchanged(said: list[Completion]) -> None:
    assert codecs.from_msgpack(codecs.to_msgpack(said), list[Completion]) == said


@given(st.binary())
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for decode in (codecs.from_msgpack, codecs.from_json):
        with contextlib.suppress(InvalidInput):
            assert isinstance(decode(data, BatchItem), BatchItem)


@pytest.mark.parametrize("iterations", ["1.5", '"7"', "true", "null", "[]"])
def test_iterations_in_a_batch_are_whole_numbers_only(iterations: str) -> None:
    with pytest.raises(InvalidInput):
        codecs.from_json(f'{{"iterations": {iterations}}}'.encode(), BatchItem)


def test_ndjson_is_one_message_a_line() -> None:
    lines = codecs.to_ndjson(
        [BatchItem(iterations=1), BatchItem(iterations=2, data=memoryview(b"x"))]
    )
    assert lines.count(b"\n") == 2
    assert [item.iterations for item in codecs.from_ndjson(lines, BatchItem, max_lines=2)] == [1, 2]


@pytest.mark.parametrize(
    "lines", [b'{"iterations":1}' * 2, b'{"iterations":1}\n' * 3, b"\n" * 9 + b"1"]
)
def test_lines_are_counted_before_they_are_read(lines: bytes) -> None:
    with pytest.raises(InvalidInput):
        codecs.from_ndjson(lines, BatchItem, max_lines=2)


def test_what_nests_without_end_is_refused() -> None:
    with pytest.raises(InvalidInput):
        codecs.from_json(b'{"iterations":1,"x":' + b"[" * 100_000, BatchItem)
    with pytest.raises(InvalidInput):
        codecs.from_msgpack(b"\x81\xa1x" + b"\x91" * 100_000, BatchItem)


@pytest.mark.parametrize("status", list(Status))
def test_an_owner_sees_a_value_exactly_when_the_job_is_done(status: Status) -> None:
    job = Job(
        id=bytes(16),
        tenant="default",
        workload="sha512",
        key=bytes(32),
        total=2,
        done=2,
        state=b"\xab" * 64,
        priority=0,
        status=status,
        attempts=0,
        token=0,
        submitted_at_ms=0,
    )
    view = msgspec.to_builtins(JobView.of(job))
    done = view["status"] == "done"
    assert done == (status in {Status.DONE, Status.PULLED, Status.DELIVERED})
    assert view["value"] == ("ab" * 64 if done else None)
    assert (view["delivery"] is not None) == done


SAID_TWICE = [
    b'{"iterations":1,"iterations":1}',
    b'{"iterations":1,"data":"AA==","data":null}',
    b'{"iterations":1,"iter\\u0061tions":2}',
    b'{"iter\\u0061tions":1,"x":{"iterations":0},"iterations" : 2}',
]
SAID_ONCE = [
    b'{"iterations":1,"x":{"iterations":2,"iterations":[{"data":3}]}}',
    b'{"iterations":1,"workload":"iterations"}',
    b'{"iterations":1,"x":1,"x":2,"iter\\u0061tionsx":1e999,"y":"\xff"}',
    b'{"iterations":1,"id":"a\\"b","z":%b}' % (b"9" * 9000),
    b' \t{"iter\\u0061tions":1} ',
]


@pytest.mark.parametrize("line", SAID_TWICE)
def test_a_name_that_stands_twice_is_refused(line: bytes) -> None:
    """Nobody could say which was meant, in whatever spelling; one in a batch refuses all of it."""
    with pytest.raises(InvalidInput, match="twice"):
        codecs.from_callers_json(line, BatchItem)
    with pytest.raises(InvalidInput, match="twice"):
        codecs.from_ndjson(b'{"iterations":1}\n' + line, BatchItem, max_lines=2)


@pytest.mark.parametrize("line", SAID_ONCE)
def test_what_is_not_known_may_stand_anywhere(line: bytes) -> None:
    """Inside of others, as a value, twice: it is ignored, whatever it holds."""
    assert codecs.from_callers_json(line, BatchItem).iterations == 1
    assert len(codecs.from_ndjson(line, BatchItem, max_lines=1)) == 1
