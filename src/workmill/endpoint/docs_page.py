"""The docs page, rendered once from the table of routes: no script, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from http import HTTPStatus
from itertools import groupby
from typing import Any

import msgspec

from workmill import __version__
from workmill.endpoint.html_pages import rendered
from workmill.endpoint.query_params import Parameter
from workmill.endpoint.routes import Operation
from workmill.endpoint.settings import EndpointSettings


def docs_page(operations: Sequence[Operation], settings: EndpointSettings) -> bytes:
    """The whole page as HTML."""
    groups = [(name, list(calls)) for name, calls in groupby(operations, lambda one: one.group)]
    return rendered(
        "docs.html",
        version=escape(__version__),
        menu="".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name, _ in groups),
        groups="".join(_group(name, calls, settings) for name, calls in groups),
    )


def _group(name: str, calls: Sequence[Operation], settings: EndpointSettings) -> str:
    cards = "".join(_card(call, settings) for call in calls)
    return f'<section id="{_anchor(name)}"><h2>{escape(name)}</h2>{cards}</section>'


def _card(call: Operation, settings: EndpointSettings) -> str:
    badge = "<span class=open>no key needed</span>" if call.open else ""
    method = f'<span class="method {call.method.lower()}">{call.method}</span>'
    parts = [
        f"<header>{method}<code>{escape(call.path)}</code>{badge}</header>",
        f"<p>{_marked(call.text)}</p>",
        _parameters(call.parameters, settings),
        "<dl>",
        _row("takes", call.takes_kinds, call.takes) if call.takes is not None else "",
        _row("gives", call.gives_kinds, call.gives) if call.gives is not None else _nothing(),
        _problems(call.problems) if call.problems else "",
        "</dl>",
    ]
    return f'<article id="{call.handler.__name__}">{"".join(parts)}</article>'


def _parameters(parameters: Sequence[Parameter], settings: EndpointSettings) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(one.name)}</code>{'<b>*</b>' if one.required else ''}</td>"
        f"<td>{escape(_bounds(one.schema(settings)))}</td><td>{_marked(one.text)}</td></tr>"
        for one in parameters
    )
    return f"<table>{rows}</table>"


def _bounds(schema: Mapping[str, Any]) -> str:
    """A parameter's schema in a few words."""
    if "enum" in schema:
        words = " | ".join(schema["enum"])
    elif "maximum" in schema:
        low = schema.get("minimum", f"above {schema.get('exclusiveMinimum')}")
        words = f"{schema['type']}, {low} to {schema['maximum']:,.0f}"
    else:
        words = "UUID"
    default = schema.get("default")
    return words if default is None else f"{words}; {default} when left out"


def _row(word: str, kinds: Sequence[str], message: object) -> str:
    return f"<dt>{word}</dt><dd><code>{escape(' or '.join(kinds))}</code> {_fields(message)}</dd>"


def _nothing() -> str:
    return "<dt>gives</dt><dd>204, no body</dd>"


def _problems(statuses: Sequence[int]) -> str:
    words = ", ".join(f"{status} {HTTPStatus(status).phrase}" for status in statuses)
    return f"<dt>refuses</dt><dd>{escape(words)}</dd>"


def _fields(message: object) -> str:
    """The fields of a message, or of the items of a list of them."""
    while hasattr(message, "__metadata__"):  # Annotated
        message = message.__origin__  # type: ignore[attr-defined]
    many = getattr(message, "__origin__", None) is list
    kind = message.__args__[0] if many else message  # type: ignore[attr-defined]
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "" if message in {bytes, str} else "one verdict for each item"
    fields = ", ".join(f"<i>{escape(field.name)}</i>" for field in msgspec.structs.fields(kind))
    return f"{'a list of ' if many else ''}{{ {fields} }}"


def _marked(text: str) -> str:
    """Text with its `code` shown as such."""
    return re.sub("`(.*?)`", r"<code>\1</code>", escape(text))


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
