"""No library's error reaches a caller: whatever is sent anywhere, the answer is never 500."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import msgspec
import pytest
from tests.http.endpoint.conftest import Running, lease_request
from tests.http.endpoint.raw_lines import talk

from workmill.domain.errors import WorkmillError
from workmill.domain.job import Candidacy, Completion, Failure, Load, Node, Release, Renewal
from workmill.endpoint.routes import OPERATIONS, Operation

REQUESTS: Final = 400
"""Of each seed, over all routes."""
SEEDS: Final = 6
ID: Final = "01890000-0000-7000-8000-000000000001"

_ARGUMENTS: Final = [
    *(ID, ID.upper(), "", "x", "%00", "%ff", "%", "%zz", "%F0%9F%98%80", "%ED%A0%80"),
    *("../" * 20, "0" * 32, "-" * 36, "%20".join("0" * 16), "%EF%BC%91" * 32, "a" * 3000, ID + "/"),
]
_VALUES: Final = [
    *(
        "1",
        "0",
        "-1",
        "+1",
        "1.5",
        "1e400",
        "NaN",
        "inf",
        "9" * 18,
        "9" * 19,
        "9" * 5000,
        "",
        "%00",
    ),
    *("%ff", "%ED%A0%80", "%EF%BC%91", "x" * 9000, ID, "done", "%", "%2", "1;2", "[]", "\\", "0x1"),
]
_NAMES: Final = [
    *("iterations", "wait", "top", "priority", "workload", "status", "after", "limit", "id"),
    *("receipt_seconds", "label", "%ff", "", "a[]", "x" * 200),
]
_TYPES: Final = [
    *(b"", b"application/msgpack", b"application/x-ndjson", b"application/json", b"\xff\xfe"),
    *(
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=b",
    ),
    *(b"multipart/form-data; boundary=" + b"b" * size for size in (70, 257, 60_000)),
    *(
        b'multipart/form-data; boundary="',
        b"multipart/form-data;;;=;boundary",
        b"text/plain; charset=x",
    ),
    *(b"multipart/form-data; boundary=\xff", b'multipart/form-data; boundary="a\\"', b"a" * 5000),
]
_HEADERS: Final = [
    *((b"Origin", b"\xff"), (b"Origin", b"http://[::1"), (b"Authorization", b"\xff" * 99)),
    *((b"Host", b"[::"), (b"Accept-Encoding", b"\xff"), (b"Range", b"bytes=-"), (b"Expect", b"x")),
]
_FORM: Final = (
    b'--b\r\nContent-Disposition: form-data; name="data"; filename="f"\r\n\r\ndata\r\n--b--\r\n'
)
_NUMBERS: Final = [
    *(0, -1, 1.5, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 1e308),
    *(float("nan"), float("inf"), float("-inf")),
]
_SCALARS: Final = [
    None,
    True,
    "",
    "\0",
    "x" * 5000,
    "\u2028\U0001f600",
    b"",
    b"\xff" * 64,
    b"x" * 9999,
]


def _messages() -> list[Any]:
    """One sound message of each kind that any call takes."""
    job_id, state = bytes(16), bytes(64)
    node = Node(incarnation="i", role="worker", host="h", pid=1, version="v", load=Load())
    return [
        lease_request(),
        [Renewal(id=job_id, token=1, done=1, state=state, lease_seconds=1.0)],
        [Completion(id=job_id, token=1, state=state)],
        [Failure(id=job_id, token=1, reason="r", retryable=True)],
        [Release(id=job_id, token=1, done=1, state=state)],
        node,
        Candidacy(candidate="c", lease_seconds=1.0),
        [{"iterations": 3, "data": b"data", "id": ID, "priority": 1, "workload": "sha512"}],
        {"receipt": "00" * 16, "ids": [ID]},
        {"ids": [ID]},
    ]


def _nested(depth: int, kind: str) -> bytes:
    return {"json": b"[" * depth, "object": b'{"a":' * depth, "msgpack": b"\x91" * depth}[kind]


def _twisted(chance: random.Random, value: Any) -> Any:
    """The same shape with something in it that does not belong there."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice(list(value))
        return {**value, name: _twisted(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        return [*value, _twisted(chance, value[0])]
    return chance.choice([*_NUMBERS, *_SCALARS, [], {}, [[]], {"": None}])


def _body(chance: random.Random) -> bytes:
    """Sound, twisted, cut short, flipped, nested, or nothing but noise."""
    message = msgspec.to_builtins(chance.choice(_messages()), builtin_types=(bytes,))
    pack: Callable[[Any], bytes] = chance.choice(
        [msgspec.msgpack.encode, msgspec.msgpack.encode, msgspec.json.encode]
    )
    raw = pack(message if chance.random() < 0.2 else _twisted(chance, message))
    match chance.randrange(8):
        case 0:
            raw = raw[: chance.randrange(len(raw) + 1)]
        case 1:
            raw = bytes(b if chance.random() < 0.95 else chance.randrange(256) for b in raw)
        case 2:
            raw = _nested(
                chance.choice([10, 1000, 100_000]), chance.choice(["json", "object", "msgpack"])
            )
        case 3:
            raw = chance.randbytes(chance.choice([0, 1, 40, 3000]))
        case 4:
            raw = bytes(b if chance.random() < 0.98 else chance.randrange(256) for b in _FORM)
        case 5:
            raw = raw.replace(b"1", chance.choice([b"9" * 5000, b"1e999", b"NaN", b"-0"]))
        case _:
            pass
    return raw


def _request(chance: random.Random, operation: Operation) -> bytes:
    path = operation.path.replace("{id}", chance.choice(_ARGUMENTS))
    fields = (
        f"{chance.choice(_NAMES)}={chance.choice(_VALUES)}" for _ in range(chance.randrange(4))
    )
    usual = [
        f"{one.name}={chance.choice(['1', '2', *_VALUES])}"
        for one in operation.parameters
        if one.where == "query"
    ]
    query = "&".join([*usual, *fields])
    method = operation.method if chance.random() < 0.9 else chance.choice(["HEAD", "OPTIONS", "X"])
    lines = [f"{method} {path}?{query} HTTP/1.1".encode(), b"Connection: close"]
    headers = [(b"Host", b"127.0.0.1"), (b"Content-Type", chance.choice(_TYPES))]
    extra = chance.choice(_HEADERS)
    if chance.random() < 0.3:
        headers = [one for one in headers if one[0] != extra[0]] + [extra]
    lines += [b"%b: %b" % one for one in headers]
    body = _body(chance)
    if chance.random() < 0.5:
        lines.append(b"Content-Length: %d" % len(body))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return b"\r\n".join([*lines, b"", body])


def _requests(seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    calls = [one for one in OPERATIONS if one.handler.__name__ not in {"events", "backup"}]
    for _ in range(REQUESTS):
        raw = _request(chance, chance.choice(calls))
        if len(raw) < 60_000 or b"\r\n\r\n" in raw[:60_000]:
            yield raw.replace(b"wait=30", b"wait=0")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_ends_in_500(shared: Running, seed: int) -> None:
    """Broken queries, headers, ids, forms, messages of other kinds, numbers that are none."""
    for raw in _requests(seed):
        answer = talk(shared.port, [raw])
        assert answer.startswith(b"HTTP/1.1 "), (raw[:600], answer)
        assert int(answer[9:12]) != WorkmillError.status, (raw[:600], answer)
    assert shared.http.get("/readyz").status_code == 200


@pytest.mark.parametrize("size", [257, 5000, 60_000])
def test_a_boundary_of_any_length_is_no_fault_of_ours(shared: Running, size: int) -> None:
    """422, with what to do."""
    kind = f"multipart/form-data; boundary={'b' * size}"
    headers = {"Content-Type": kind}
    reply = shared.http.put("/enqueue?iterations=1", content=b"x", headers=headers)
    assert reply.status_code == 422
    assert "multipart form" in reply.json()["detail"]


def test_the_log_is_not_written_by_libraries(
    shared: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a caller sends puts no foreign line into the log."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    reply = httpx.put(shared.url + "/enqueue?iterations=1", content=b"--c", headers=headers)
    assert reply.status_code == 422
    assert talk(shared.port, [b"no http\r\n\r\n"]).startswith(b"HTTP/1.1 400 ")
    assert capfd.readouterr().err == ""
