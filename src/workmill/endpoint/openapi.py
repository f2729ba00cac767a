"""The OpenAPI 3.1 document, made from the table of routes and the wire's own types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from workmill import __version__
from workmill.endpoint.query_params import Parameter
from workmill.endpoint.routes import EVENT_STREAM, FORM, Operation
from workmill.endpoint.settings import EndpointSettings
from workmill.wire import codecs
from workmill.wire.messages import Problem

_REF = "#/components/schemas/{name}"
_RAW_KINDS = (bytes, str)
_FORM = {
    "type": "object",
    "properties": {"data": {"type": "string", "contentMediaType": "application/octet-stream"}},
    "required": ["data"],
}
"""What is promised of forms; parts of other names are taken for want of it (see `multipart`)."""


def openapi_document(operations: Sequence[Operation], settings: EndpointSettings) -> dict[str, Any]:
    """The whole document as plain values, with this service's own bounds."""
    kinds = [Problem]
    for operation in operations:
        kinds += [kind for kind in (operation.takes, operation.gives) if _is_message(kind)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(repr, kinds), schemas, strict=True))
    calls: dict[str, dict[str, Any]] = {}
    for operation in operations:
        call = _call(operation, by_kind)
        call["parameters"] = [_parameter(one, settings) for one in operation.parameters]
        calls.setdefault(operation.path, {})[operation.method.lower()] = call
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workmill",
            "version": __version__,
            "description": "An elastic, durable work queue for CPU-bound computation. Query "
            "parameters, headers and fields of bodies that are not named here are ignored. "
            "MessagePack carries bytes raw where JSON has them in Base64.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": calls,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _call(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    call: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.text,
        "tags": [operation.group],
        "responses": _responses(operation, schemas),
        "security": [{}] if operation.open else [{"key": []}, {}],
    }
    if operation.takes is not None:
        content = _content(operation.takes_kinds, operation.takes, schemas)
        call["requestBody"] = {"required": operation.takes is not bytes, "content": content}
    return call


def _parameter(one: Parameter, settings: EndpointSettings) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.where,
        "required": one.required,
        "description": one.text,
        "schema": one.schema(settings),
    }


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    problem = {codecs.PROBLEM: {"schema": schemas[repr(Problem)]}}
    if operation.gives is None:
        responses: dict[str, Any] = {"204": {"description": "Done"}}
    else:
        content = _content(operation.gives_kinds, operation.gives, schemas)
        responses = {"200": {"description": "OK", "content": content}}
    for status in operation.problems:
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    responses["default"] = {"description": "Refused before it was read", "content": problem}
    return responses


def _content(kinds: Sequence[str], message: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = schemas[repr(message)] if _is_message(message) else {"type": "string"}
    return {kind: _media(kind, schema) for kind in kinds}


def _media(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    if kind == codecs.NDJSON:
        return _lines(schema)
    if kind == EVENT_STREAM:
        return _events()
    return {"schema": _FORM if kind == FORM else schema}


def _lines(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.1 has no word for one JSON value a line: the whole is text."""
    each = json.dumps(schema.get("items", {}))
    return {"schema": {"type": "string", "description": f"One JSON value a line, each {each}"}}


def _events() -> dict[str, Any]:
    """OpenAPI 3.1 does not say whether a schema is that of the stream or of each event: tools take
    both for it, so neither is called a string or an object."""
    return {"schema": {"description": "server-sent events, the data of each one JSON value"}}


def _is_message(kind: Any) -> bool:
    return kind is not None and kind not in _RAW_KINDS
