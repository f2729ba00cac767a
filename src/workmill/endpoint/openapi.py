"""The OpenAPI 3.1 document, made from the table of routes and the wire's own types."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from workmill import __version__
from workmill.endpoint.routes import Operation, Parameter
from workmill.wire import codecs
from workmill.wire.messages import Problem

_REF = "#/components/schemas/{name}"
_RAW_KINDS = (bytes, str)


def openapi_document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document as plain values."""
    kinds = [Problem]
    for operation in operations:
        kinds += [kind for kind in (operation.takes, operation.gives) if _is_message(kind)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(map(repr, kinds), schemas, strict=True))
    calls: dict[str, dict[str, Any]] = {}
    for operation in operations:
        calls.setdefault(operation.path, {})[operation.method.lower()] = _call(operation, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Workmill",
            "version": __version__,
            "description": "An elastic, durable work queue for CPU-bound computation.",
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
        "parameters": [_parameter(one) for one in operation.parameters],
        "responses": _responses(operation, schemas),
        "security": [{}] if operation.open else [{"key": []}, {}],
    }
    if operation.takes is not None:
        content = _content(operation.takes_kind, operation.takes, schemas)
        call["requestBody"] = {"required": True, "content": content}
    return call


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.where,
        "required": one.required,
        "description": one.text,
        "schema": {"type": one.kind},
    }


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if operation.gives is None:
        responses: dict[str, Any] = {"204": {"description": "Done"}}
    else:
        content = _content(operation.gives_kind, operation.gives, schemas)
        responses = {"200": {"description": "OK", "content": content}}
    statuses = operation.problems if operation.open else (401, *operation.problems)
    for status in statuses:
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {codecs.PROBLEM: {"schema": schemas[repr(Problem)]}},
        }
    return responses


def _content(kind: str, message: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if _is_message(message):
        return {kind: {"schema": schemas[repr(message)]}}
    return {kind: {"schema": {"type": "string"}}}


def _is_message(kind: Any) -> bool:
    return kind is not None and kind not in _RAW_KINDS
