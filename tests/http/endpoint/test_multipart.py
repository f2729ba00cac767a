"""Every form in which existing clients send data: the raw body is the data, form by form."""

from __future__ import annotations

import json
import socket

import pytest
from tests.http.endpoint.conftest import TEST_SECONDS, Running
from tests.system.service_definition import value_of

DATA = b'{"looks": "like JSON"}&a=b%20c\r\n\x00\xff' * 40
LABELS = [
    None,
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "text/plain",
    "text/plain; charset=utf-16",
    "application/json",
    "application/gzip",
    "no/such; thing=\xe9",
]


def _value(shared: Running, job_id: str) -> str:
    shared.work()
    view = shared.http.get(f"/v1/jobs/{job_id}").json()
    assert view["status"] == "done"
    return str(view["value"])


@pytest.mark.parametrize("label", LABELS)
def test_a_label_never_changes_what_the_data_is(shared: Running, label: str | None) -> None:
    """Whatever Content-Type a client sends, the raw body is hashed."""
    headers = {} if label is None else {"Content-Type": label.encode("latin-1")}
    data = DATA + str(label).encode()
    job_id = shared.submit(data, 2, headers=headers)
    assert _value(shared, job_id) == value_of(data, 2)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_an_encoding_is_never_undone(shared: Running, coding: str) -> None:
    """Content-Encoding is a label too: the bytes on the wire are the data."""
    data = b"not compressed at all, " + coding.encode()
    job_id = shared.submit(data, 1, headers={"Content-Encoding": coding})
    assert _value(shared, job_id) == value_of(data, 1)


def test_one_iteration_is_the_plain_digest(shared: Running) -> None:
    """The known answer: iterations=1 is hashlib.sha512(data), there at once in the reply."""
    reply = shared.http.put("/enqueue?iterations=1", content=b"known answer")
    assert reply.status_code == 200
    assert reply.json()["status"] == "done"
    assert reply.json()["value"] == value_of(b"known answer", 1)


def test_an_empty_body_is_data_too(shared: Running) -> None:
    """No bytes have a digest as well."""
    assert _value(shared, shared.submit(b"", 2)) == value_of(b"", 2)


def test_chunked_transfer(shared: Running) -> None:
    """A body in chunks, as sent by clients that do not know its length."""
    pieces = [b"piece %d;" % number * 1000 for number in range(50)]
    job_id = shared.submit(iter(pieces), 2)  # type: ignore[arg-type]
    assert _value(shared, job_id) == value_of(b"".join(pieces), 2)


def test_a_client_that_expects_100_continue(shared: Running) -> None:
    """curl asks first for larger bodies: it is told to go on, and then answered."""
    head = b"PUT /enqueue?iterations=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    told = b"HTTP/1.1 100 Continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=TEST_SECONDS) as line:
        line.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        assert line.recv(len(told), socket.MSG_WAITALL) == told
        line.sendall(b"patiently")
        reply = b"".join(iter(lambda: line.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["value"] == value_of(b"patiently", 1)


@pytest.mark.parametrize(
    ("files", "fields", "expected"),
    [
        ({"data": ("a.bin", b"one")}, {}, b"one"),
        ({"file": ("a.bin", b"two")}, {"iterations": "7"}, b"two"),
        ({"other": ("a", b"no"), "file": ("b", b"no"), "data": ("c", b"three")}, {}, b"three"),
        ({"other": ("a", b"no"), "file": ("b", b"four")}, {}, b"four"),
        ({"first": ("a", b"five"), "second": ("b", b"no")}, {"data": "text"}, b"five"),
        ({"data": ("a.bin", b"\r\n--not-a-boundary\r\n")}, {}, b"\r\n--not-a-boundary\r\n"),
    ],
)
def test_the_data_of_a_form_with_files(
    shared: Running, files: dict[str, tuple[str, bytes]], fields: dict[str, str], expected: bytes
) -> None:
    """The file named `data`, else the one named `file`, else the first one."""
    reply = shared.http.put("/enqueue?iterations=1", files=files, data=fields)
    assert reply.status_code == 200
    assert reply.json()["value"] == value_of(expected, 1)


def _form(*parts: tuple[str, bytes]) -> tuple[dict[str, str], bytes]:
    body = b"".join(
        b"--edge\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (words.encode(), data)
        for words, data in parts
    )
    return {"Content-Type": "multipart/form-data; boundary=edge"}, body + b"--edge--\r\n"


def test_the_only_text_field_of_a_form(shared: Running) -> None:
    """Without any file, the single text field is the data."""
    headers, body = _form(('name="anything"', b"text"))
    reply = shared.http.put("/enqueue?iterations=1", headers=headers, content=body)
    assert reply.json()["value"] == value_of(b"text", 1)


@pytest.mark.parametrize(
    "broken",
    [
        _form(('name="a"', b"1"), ('name="b"', b"2")),
        _form(),
        ({"Content-Type": "multipart/form-data"}, b"no boundary"),
        ({"Content-Type": "multipart/form-data; boundary=edge"}, b"garbage"),
        (_form(('name="data"; filename="x"', b"x"))[0], _form(('name="d"', b"cut"))[1][:-10]),
        _form(*[('name="x"; filename="y"', b"")] * 101),
    ],
)
def test_a_form_without_clear_data_is_refused(
    shared: Running, broken: tuple[dict[str, str], bytes]
) -> None:
    """Ambiguous, empty, malformed, cut off or endless: 422, nothing stored."""
    before = shared.stored()
    headers, body = broken
    reply = shared.http.put("/enqueue?iterations=1", headers=headers, content=body)
    assert reply.status_code == 422
    assert reply.json()["type"] == "urn:workmill:problem:invalid-input"
    assert shared.stored() == before


def test_a_form_in_small_pieces(shared: Running) -> None:
    """The form may be torn anywhere on the wire."""
    headers, body = _form(('name="t"', b"no"), ('name="data"; filename="d"', DATA))
    pieces = (body[at : at + 7] for at in range(0, len(body), 7))
    reply = shared.http.put("/enqueue?iterations=1", headers=headers, content=pieces)
    assert reply.json()["value"] == value_of(DATA, 1)


def _put(shared: Running, kinds: list[bytes], body: bytes) -> tuple[int, str | None]:
    """The status, and the value that was computed."""
    headers = [(b"content-type", kind) for kind in kinds]
    reply = shared.http.put("/enqueue?iterations=1", headers=headers, content=body)
    return reply.status_code, reply.json().get("value")


FORM = b"multipart/form-data; boundary=edge"


@pytest.mark.parametrize(
    "kind", [b"multipart/form-datas; boundary=edge", b"multipart/form-data.x;boundary=edge"]
)
def test_what_only_begins_like_a_form_is_plain_data(shared: Running, kind: bytes) -> None:
    """A type is compared whole: another type is a label, and the body is the data."""
    _, body = _form(('name="data"; filename="x"', b"inner"))
    assert _put(shared, [kind], body) == (200, value_of(body, 1))


@pytest.mark.parametrize(
    "kind", [FORM.upper().replace(b"EDGE", b"edge"), FORM.replace(b";", b" ;")]
)
def test_a_form_is_one_in_any_spelling(shared: Running, kind: bytes) -> None:
    """RFC 9110, section 8.3.1: letters of either case, and blanks before the semicolon."""
    _, body = _form(('name="data"; filename="x"', b"spelt"))
    assert _put(shared, [kind], body) == (200, value_of(b"spelt", 1))


@pytest.mark.parametrize(
    "kinds", [[FORM, b"text/plain"], [b"text/plain", FORM], [FORM, FORM.replace(b"edge", b"e")]]
)
def test_a_body_that_is_a_form_and_is_none_is_refused(shared: Running, kinds: list[bytes]) -> None:
    """With two types, one a form, nobody can say which bytes are the data."""
    before = shared.stored()
    _, body = _form(('name="data"; filename="x"', b"inner"))
    assert _put(shared, kinds, body)[0] == 422
    assert shared.stored() == before


def _part(head: bytes, data: bytes) -> bytes:
    return b"--edge\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


NAMED = b'Content-Disposition: form-data; name="%b"; filename="x"'
TEXT = b'Content-Disposition: form-data; name="%b"'


@pytest.mark.parametrize(
    "parts",
    [
        _part(NAMED % b"data", b"one") + _part(NAMED % b"data", b"two"),
        _part(NAMED % b"file", b"one") + _part(NAMED % b"x", b"") + _part(NAMED % b"file", b"two"),
        _part(NAMED % b"x" + b"\r\n" + NAMED % b"data", b"one"),
        _part(TEXT % b"filename*=x", b"one") + _part(TEXT % b"y", b"two"),
        _part(TEXT % b"x" + b'; Name="data"', b"one"),
        _part(NAMED % b"data" + b"; filename=y", b"one"),
        _part(NAMED % b"data" + b"\r\nContent-Transfer-Encoding: base64", b"b25l"),
        _part(NAMED % b"x" + b"\r\ncontent-transfer-encoding: Quoted-Printable", b"=41"),
    ],
    ids=[
        *("two data", "two file", "two headers", "a name like a file's", "two names", "two files"),
        *("base64", "quoted"),
    ],
)
def test_a_form_whose_data_can_be_read_in_two_ways_is_refused(
    shared: Running, parts: bytes
) -> None:
    """One of two parts is not dropped in silence, and no bytes but the sender's are hashed."""
    before = shared.stored()
    assert _put(shared, [FORM], parts + b"--edge--\r\n")[0] == 422
    assert shared.stored() == before


def test_two_boundaries_are_none(shared: Running) -> None:
    """By the one the form has another part than by the other."""
    kinds = [b"multipart/form-data; Boundary=other; boundary=edge"]
    assert _put(shared, kinds, _part(NAMED % b"data", b"one") + b"--edge--\r\n")[0] == 422


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (_part(NAMED % b'data"; x="; name=y; name=z', b"quoted"), b"quoted"),
        (_part(NAMED % b"data", b"one") + _part(NAMED % b"file", b"") * 2, b"one"),
        (_part(TEXT % b"a", b"") * 2 + _part(NAMED % b"x", b"two"), b"two"),
        (_part(NAMED % b"data" + b"\r\nContent-Transfer-Encoding: 8bit", b"3"), b"3"),
        (
            _part(TEXT % b"a" + b"\r\nContent-Transfer-Encoding: base64", b"eA==")
            + _part(NAMED % b"x", b"four"),
            b"four",
        ),
        (
            _part(b"Content-Disposition: form-data; name=x; filename*=UTF-8''a%2Cb", b"five")
            + _part(TEXT % b"y", b"")
            + _part(TEXT % b"z", b""),
            b"five",
        ),
    ],
)
def test_what_is_not_the_data_may_be_anything(
    shared: Running, parts: bytes, expected: bytes
) -> None:
    """Doubt about parts that are ignored is no reason to refuse."""
    assert _put(shared, [FORM], parts + b"--edge--\r\n") == (200, value_of(expected, 1))
