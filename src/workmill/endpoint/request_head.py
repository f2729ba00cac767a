"""The head of a request, whole, judged by RFC 9110 and RFC 9112 before anything of it is believed.

Theory. Two parsers that read the same bytes differently can be made to see two different
requests (request smuggling). So one grammar, strict where the RFC leaves a choice, says what a
head is: a line ends in CRLF, nothing is folded, a name touches its colon, and exactly one rule
says where the body ends. There is no upgrade: an offer of one (`Upgrade`, `HTTP2-Settings`) is
a header like any other, and the request is answered in HTTP/1.1 (RFC 9110, section 7.8).

`tests/http/endpoint/test_request_oracle.py` holds these judgements against h11's.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from workmill.domain.errors import (
    HeadTooLarge,
    MalformedRequest,
    UnsupportedMethod,
    UnsupportedTransfer,
    UnsupportedVersion,
)

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADERS: Final = 256
MAX_LENGTH: Final = 10**18 - 1
"""A Content-Length above this, in bytes, is taken for this: no limit of ours is anywhere near."""

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]*+"
_LINE: Final = re.compile(rb"(%b) ([\x21-\x7e]++) HTTP/([0-9])\.([0-9])\r\n" % _TOKEN)
_FIELDS: Final = re.compile(rb"(?:%b:%b\r\n)*+\r\n" % (_TOKEN, _VALUE))
_FIELD: Final = re.compile(rb"(%b):([^\r]*+)\r\n" % _TOKEN)
FIELD_LINE: Final = re.compile(rb"%b:%b\r\n" % (_TOKEN, _VALUE))
"""One header or trailer line."""
_BEGINNING: Final = re.compile(rb"\r?\Z|%b(?:\Z| [\x21-\x7e]*+(?:\Z| ))" % _TOKEN)
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_AUTHORITY: Final = rb"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9\-._~!$&'()*+,;=%]*+)(?::[0-9]*+)?"
_HOST: Final = re.compile(_AUTHORITY)
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://(%b)(?=[/?]|\Z)" % _AUTHORITY)
_SPECIAL: Final = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect")
)
_CHUNKED: Final = b"chunked"


class Head(NamedTuple):
    """What a head says. `length` is the body's size in bytes, None when it comes in chunks."""

    method: str
    path: str
    """Percent-decoded."""
    query: bytes
    headers: list[tuple[bytes, bytes]]
    """Lower-case names; values without the blanks around them."""
    length: int | None
    keep_alive: bool
    expects_continue: bool
    is_http_10: bool


def unread(raw: bytes) -> Head:
    """Stands for the head of a request that begins with `raw` and is refused unread: the answer to
    HEAD has no body (RFC 9110, section 9.3.2)."""
    method = "HEAD" if raw.startswith(b"HEAD ") else "GET"
    return Head(method, "", b"", [], 0, False, False, False)


def parse_head(raw: bytes) -> Head:
    """The head in `raw`, from its first byte to its empty line.

    Raises MalformedRequest (400), HeadTooLarge (431), UnsupportedTransfer (501) and
    UnsupportedVersion (505); whatever is raised, where the next request begins is not known.
    """
    line = _LINE.match(raw)
    if line is None:
        raise MalformedRequest("The request line is not HTTP/1.1. Nothing was changed.")
    method, target, major, minor = line.groups()
    _check_version(major)
    if _FIELDS.fullmatch(raw, line.end()) is None:
        raise MalformedRequest("A header line is malformed. Nothing was changed.")
    headers = [
        (name.lower(), value.strip(b" \t")) for name, value in _FIELD.findall(raw, line.end())
    ]
    if len(headers) > MAX_HEADERS:
        raise HeadTooLarge(f"A request has at most {MAX_HEADERS} headers. Send fewer.")
    special: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _SPECIAL:
            special.setdefault(name, []).append(value)
    is_http_10 = minor == b"0"
    _check_host(special.get(b"host", ()), is_http_10)
    length = _body_length(special, is_http_10)
    if method == b"CONNECT":
        raise UnsupportedMethod("This service is no proxy and opens no tunnel.")
    if target[:1] != b"/":
        target = _origin_form(method, target, headers)
    if b"#" in target:
        raise MalformedRequest("A request target has no fragment. Nothing was changed.")
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("ascii")
    return Head(
        method=method.decode("ascii"),
        path=unquote(path) if "%" in path else path,
        query=query,
        headers=headers,
        length=length,
        keep_alive=not is_http_10 and b"close" not in _members(special.get(b"connection", ())),
        expects_continue=not is_http_10
        and length != 0
        and b"100-continue" in _members(special.get(b"expect", ())),
        is_http_10=is_http_10,
    )


def check_beginning(raw: bytes, start: int) -> None:
    """Refuse at once what can become no head, however it goes on. `raw` has no empty line yet,
    and up to `start` it was looked at before. Raises as `parse_head` does."""
    if _BARE.search(raw, max(0, start - 1)):
        raise MalformedRequest("A line ends in CR and LF. Nothing was changed.")
    end = raw.find(b"\n") + 1
    if not start and not end and not _BEGINNING.match(raw):
        raise MalformedRequest(
            "This is not HTTP/1.1. Nothing was changed. (For TLS, ask the balancer.)"
        )
    if not start <= end - 1:
        return
    line = _LINE.match(raw)
    if line is None:
        raise MalformedRequest("The request line is not HTTP/1.1. Nothing was changed.")
    _check_version(line[3])


def _check_version(major: bytes) -> None:
    """RFC 9110, section 2.5: any minor version of HTTP/1 is read as HTTP/1.1 (or 1.0)."""
    if major != b"1":
        raise UnsupportedVersion("This service speaks HTTP/1.1. Nothing was changed.")


def _check_host(hosts: list[bytes] | tuple[()], is_http_10: bool) -> None:
    """RFC 9112, section 3.2: exactly one, and one that can be a host."""
    if len(hosts) != 1:
        if hosts or not is_http_10:
            raise MalformedRequest("A request has exactly one Host header. Nothing was changed.")
    elif not _HOST.fullmatch(hosts[0]):
        raise MalformedRequest("The Host header names no host. Nothing was changed.")


def _body_length(special: dict[bytes, list[bytes]], is_http_10: bool) -> int | None:
    """Where the body ends (RFC 9112, section 6.3)."""
    lengths, codings = special.get(b"content-length"), special.get(b"transfer-encoding")
    if codings is not None:
        if is_http_10 or lengths is not None:
            raise MalformedRequest(
                "Transfer-Encoding stands in HTTP/1.1 alone, and never beside Content-Length. "
                "Nothing was changed."
            )
        _check_codings(_members(codings))
        return None
    if lengths is None:
        return 0
    said = {one.strip(b" \t") for value in lengths for one in value.split(b",")}
    digits = said.pop()
    if said or not digits.isdigit():
        raise MalformedRequest("The Content-Length is not one number. Nothing was changed.")
    digits = digits.lstrip(b"0") or b"0"
    return int(digits) if len(digits) <= len(str(MAX_LENGTH)) else MAX_LENGTH


def _check_codings(codings: list[bytes]) -> None:
    if codings == [_CHUNKED]:
        return
    if codings[-1:] == [_CHUNKED] and codings.count(_CHUNKED) == 1:
        raise UnsupportedTransfer(
            "The only transfer coding of this service is `chunked`. Nothing was stored. Send the "
            "body as it is."
        )
    raise MalformedRequest("The body's end is not known: `chunked` comes last, and once.")


def _members(values: list[bytes] | tuple[()]) -> list[bytes]:
    """The members of a list header, in lower case."""
    if not values:
        return []
    return [one.strip(b" \t") for one in b",".join(values).lower().split(b",") if one.strip(b" \t")]


def _origin_form(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The target as a path (RFC 9112, section 3.2): of the absolute form the authority stands for
    the Host header; what asks for a tunnel or for the server as a whole is not taken here."""
    if method == b"OPTIONS" and target == b"*":
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None or not absolute[1].partition(b":")[0]:
        raise MalformedRequest("The request target is no path. Nothing was changed.")
    headers[:] = [pair if pair[0] != b"host" else (pair[0], absolute[1]) for pair in headers]
    rest = target[absolute.end() :]
    if method == b"OPTIONS" and not rest:
        return b"*"  # as the last proxy would have sent it (section 3.2.4)
    return rest if rest[:1] == b"/" else b"/" + rest
