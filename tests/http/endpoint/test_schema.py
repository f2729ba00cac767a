"""The OpenAPI document and the service agree: what one allows the other takes, and no call answers
with what is not written down."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.http.endpoint.conftest import Running
from tests.http.endpoint.schemas import Drawing, Schema

from workmill.endpoint import EndpointSettings
from workmill.endpoint.openapi import openapi_document
from workmill.endpoint.routes import EVENT_STREAM, FORM, OPERATIONS, RAW, Operation
from workmill.wire import codecs, paths

MAX_ITERATIONS = 5000
SETTINGS = EndpointSettings(port=0, max_iterations=MAX_ITERATIONS)
DOCUMENT: Schema = json.loads(codecs.to_json(openapi_document(OPERATIONS, SETTINGS)))
DRAWING = Drawing(DOCUMENT)
EXAMPLES = 40
REFUSED = frozenset({400, 404, 408, 413, 415, 422})
_BOUNDARY = "vY5x0ff1"
_NO_SEGMENTS = frozenset({"", ".", ".."})
"""With these in its place the path is another one (RFC 3986, section 5.2.4)."""
TRIED = [one for one in OPERATIONS if one.path not in {paths.RESTORE, paths.BACKUP}]
"""What is no backup is refused by what it holds, and no schema could say that."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With a bound of its own: the document must tell it."""
    with Running(tmp_path_factory.mktemp("store"), SETTINGS) as endpoint:
        yield endpoint


def call_of(operation: Operation) -> Schema:
    call: Schema = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return call


def _named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Sent:
    """One call, and whether the document allows it."""

    def __init__(self) -> None:
        self.allowed = True
        self.query: list[tuple[str, str]] = []
        self.argument = ""
        self.body = b""
        self.headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"

    def url(self, path: str) -> str:
        query = "&".join(f"{name}={quote(value)}" for name, value in self.query)
        return path.replace("{id}", quote(self.argument, safe="")) + (f"?{query}" if query else "")


@st.composite
def calls(draw: st.DrawFn, operation: Operation) -> Sent:
    """Calls as the document describes them, half of them with a fault now and then."""
    sent, call = Sent(), call_of(operation)
    sound = draw(st.booleans())
    for one in call["parameters"]:
        _draw_parameter(draw, sent, one, sound)
    if "requestBody" in call:
        kinds = sorted(call["requestBody"]["content"].keys() - {codecs.NDJSON})
        kind = draw(st.sampled_from(kinds))
        _draw_body(draw, sent, kind, call["requestBody"]["content"][kind]["schema"], sound)
    return sent


def _draw_parameter(draw: st.DrawFn, sent: Sent, one: Schema, sound: bool) -> None:
    schema = one["schema"]
    if not one["required"] and draw(st.booleans()):
        return
    if one["required"] and one["in"] == "query" and not sound and draw(st.integers(0, 9)) == 0:
        sent.allowed = False
        return
    drawn = DRAWING.values(schema, sound=sound)
    value = draw(_waits(schema, sound) if one["name"] == "wait" else drawn)
    if schema["type"] == "array":
        values = value if isinstance(value, list) else [value]
        texts = [_text(item) for item in values]
        sent.query += [(one["name"], text) for text in texts]
        sent.allowed &= DRAWING.judge(schema).is_valid(texts)
        return
    text = _text(value)
    sent.allowed &= DRAWING.judge(schema).is_valid(_meant(schema, text))
    if one["in"] == "path":
        assume(text not in _NO_SEGMENTS)
        sent.argument = text
    else:
        sent.query.append((one["name"], text))


def _waits(schema: Schema, sound: bool) -> st.SearchStrategy[Any]:
    """Nothing that a test would wait for."""
    beyond = [] if sound else [-1, schema["maximum"] * 1.001, "", "soon", "0x0"]
    return st.sampled_from([0, 0.001, 1e-5, *beyond])


def _meant(schema: Schema, text: str) -> Any:
    """What a parameter's text says: a number where one is wanted and the text is one."""
    if schema["type"] == "string":
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if json.dumps(value) == text else text


def _draw_body(draw: st.DrawFn, sent: Sent, kind: str, schema: Schema, sound: bool) -> None:
    sent.headers["content-type"] = kind
    if kind == RAW:
        sent.body = draw(st.binary(max_size=40))
        return
    if kind == FORM:
        _draw_form(draw, sent, schema, sound)
        return
    value = draw(DRAWING.values(schema, sound=sound))
    sent.allowed &= DRAWING.judge(schema).is_valid(value)
    if kind == codecs.MSGPACK:
        sent.body = msgspec.msgpack.encode(DRAWING.packed(schema, value))
    else:
        sent.body = json.dumps(value).encode()


def _draw_form(draw: st.DrawFn, sent: Sent, schema: Schema, sound: bool) -> None:
    """The part that the document wants, as a file or as text, beside others that it does not name.
    Without one the others are texts, and more than one: such a form says nothing of the data."""
    wanted = sound or draw(st.booleans())
    names = ["data"] if wanted else []
    names += [f"other{n}" for n in range(draw(st.integers(0, 2) if wanted else st.just(2)))]
    value = {name: draw(st.binary(max_size=20)) for name in draw(st.permutations(names))}
    sent.allowed &= DRAWING.judge(schema).is_valid(dict.fromkeys(value, ""))
    as_file = draw(st.booleans())
    for name, raw in value.items():
        file = '; filename="f"' if as_file and name == "data" else ""
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        sent.body += head.encode() + raw + b"\r\n"
    sent.body += f"--{_BOUNDARY}--\r\n".encode()
    sent.headers["content-type"] = f"{FORM}; boundary={_BOUNDARY}"


def expect_written_down(operation: Operation, reply: httpx.Response) -> None:
    """Its status, its kind and its body are in the document."""
    responses = call_of(operation)["responses"]
    assert str(reply.status_code) in responses, reply.text
    content = responses[str(reply.status_code)].get("content", {})
    kind = reply.headers.get("content-type", "").partition(";")[0]
    assert (kind in content) or (not content and not reply.content)
    if kind in {codecs.JSON, codecs.PROBLEM, codecs.MSGPACK} and reply.content:
        schema = content[kind]["schema"]
        errors = [error.message for error in DRAWING.judge(schema).iter_errors(_shown(reply, kind))]
        assert errors == []


def _shown(reply: httpx.Response, kind: str) -> Any:
    if kind != codecs.MSGPACK:
        return reply.json()
    answer = msgspec.msgpack.decode(reply.content)
    return json.loads(msgspec.json.encode(answer))


def send(running: Running, operation: Operation, sent: Sent) -> httpx.Response:
    """The answer, of a stream its beginning."""
    url = sent.url(operation.path)
    with running.http.stream(
        operation.method, url, content=sent.body, headers=sent.headers
    ) as reply:
        if reply.headers.get("content-type", "").startswith("text/event-stream"):
            return reply
        reply.read()
        return reply


def expect_agreed(running: Running, operation: Operation, sent: Sent) -> None:
    """Allowed is taken, forbidden is refused, and nothing fails."""
    reply = send(running, operation, sent)
    expect_written_down(operation, reply)
    about = (sent.url(operation.path), sent.body)
    assert reply.status_code < 500, about
    if sent.allowed:
        assert reply.status_code not in REFUSED - {404}, (about, reply.text)
    else:
        assert reply.status_code in REFUSED, about


@pytest.mark.parametrize("operation", TRIED, ids=_named)
def test_what_is_allowed_is_taken_and_what_is_forbidden_refused(
    running: Running, operation: Operation
) -> None:
    """For every call: its parameters, its body, its answers."""

    @settings(
        max_examples=EXAMPLES if operation.parameters or operation.takes else 1,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(calls(operation))
    def agree(sent: Sent) -> None:
        expect_agreed(running, operation, sent)

    agree()


@cache
def _document_validator() -> OpenAPIV31SpecValidator:
    return OpenAPIV31SpecValidator(DOCUMENT)


def test_the_document_is_openapi(running: Running) -> None:
    """By the meta-schema of version 3.1, and it is the one that the service gives."""
    assert [str(error) for error in _document_validator().iter_errors()] == []
    assert running.http.get(paths.OPENAPI).json() == DOCUMENT


def test_the_document_tells_the_bounds_of_this_service() -> None:
    """Numbers have both ends, words are listed, and what may be left out has its default."""
    found = {
        (operation.path, one["name"]): one["schema"]
        for operation in OPERATIONS
        for one in call_of(operation)["parameters"]
    }
    assert found["/enqueue", "iterations"]["maximum"] == MAX_ITERATIONS
    for schema in found.values():
        low = {"minimum", "exclusiveMinimum"} & schema.keys()
        assert ("maximum" in schema and low) or {"enum", "pattern", "maxItems"} & schema.keys()
    assert found["/v1/jobs", "limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 100,
    }


def test_an_event_and_the_whole_stream_are_both_as_written_down() -> None:
    """Some tools judge the text by the schema of a stream of events, others each event."""
    schema = DOCUMENT["paths"][paths.EVENTS]["get"]["responses"]["200"]["content"][EVENT_STREAM]
    for seen in ("event: stats\ndata: {}\n\n", {"event": "stats", "data": "{}"}):
        assert DRAWING.judge(schema["schema"]).is_valid(seen)


@pytest.mark.parametrize("operation", OPERATIONS, ids=_named)
def test_other_answers_are_written_down_too(running: Running, operation: Operation) -> None:
    """Of a page of another site, and of a body that is too large."""
    argument = "01890000-0000-7000-8000-000000000001"
    path = operation.path.replace("{id}", argument) + "?iterations=2&top=1"
    if operation.method != "GET":
        reply = running.http.request(
            operation.method, path, headers={"origin": "http://elsewhere.example"}
        )
        assert reply.status_code == 403
        expect_written_down(operation, reply)
    if operation.takes and operation.path != paths.RESTORE:
        reply = running.http.request(
            operation.method,
            path,
            content=bytes(33 * 1024 * 1024),
            headers={"content-type": codecs.MSGPACK},
        )
        assert reply.status_code == 413
        expect_written_down(operation, reply)


def test_who_needs_a_key_is_written_down(tmp_path: Path) -> None:
    """Without it every call that is not open answers 401, as the document says."""
    keyed = EndpointSettings(port=0, key=b"k" * 32)
    with Running(tmp_path, keyed) as endpoint:
        for operation in OPERATIONS:
            path = operation.path.replace("{id}", "01890000-0000-7000-8000-000000000001")
            reply = endpoint.http.request(operation.method, path)
            assert (reply.status_code == 401) is not operation.open
            assert ({} in call_of(operation)["security"]) or reply.status_code == 401
            expect_written_down(operation, reply)


def test_a_digest_travels_as_the_document_says(running: Running) -> None:
    """Bytes are Base64 where a body is JSON, one value a line."""
    item = {"iterations": 2, "digest": base64.b64encode(bytes(64)).decode()}
    reply = running.http.post(
        paths.JOBS, content=json.dumps(item), headers={"content-type": codecs.NDJSON}
    )
    assert (reply.status_code, reply.headers["content-type"]) == (200, codecs.NDJSON)
    assert "problem" not in reply.json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/results/pull?top=1.0", ""),
        ("/v1/jobs", '[{"iterations": 2.0, "data": "eA=="}]'),
        ("/v1/jobs", '[{"iterations": 2, "priority": 0.0, "data": "eA=="}]'),
    ],
)
def test_a_whole_number_has_no_point(running: Running, path: str, body: str) -> None:
    """Not even one before a zero; nothing is stored over it."""
    before = running.http.get(paths.JOBS).json()
    reply = running.http.post(path, content=body, headers={"content-type": codecs.JSON})
    assert reply.status_code == 422
    assert running.http.get(paths.JOBS).json() == before


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if "{id}" in one.path], ids=_named)
def test_an_id_that_leads_to_another_path_is_written_down(
    running: Running, operation: Operation
) -> None:
    """A slash in it does, escaped or not, and there is nothing."""
    path = operation.path.replace("{id}", "%2F") + "?iterations=2"
    reply = running.http.request(operation.method, path)
    assert reply.status_code == 404
    expect_written_down(operation, reply)
