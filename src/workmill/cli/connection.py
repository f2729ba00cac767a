"""From `--url` and `--key-file` to a client, and what is said when nobody is there.

A person learns within two seconds that a service is not there: one look goes ahead of every
command. Who is there and says "not now" is asked again for `PATIENCE_SECONDS`, and the person is
told. Behind `workmill up` an endpoint that is replaced is not "nobody": its port stays taken.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workmill.cli.console import note
from workmill.cli.options import text_of
from workmill.domain.errors import EndpointUnreachable, NotAuthorized, WorkmillError
from workmill.runtime.key_file import read_key

if TYPE_CHECKING:
    from workmill import Client
    from workmill.client.steps import Reply
    from workmill.client.sync_transport import Transport

PATIENCE_SECONDS: Final = 10.0
"""How long a person waits for a service that is there and cannot answer now: as long as an endpoint
may take to be replaced, twice."""
LOOK_SECONDS: Final = 1.8
"""All of the look, names and several addresses included: nobody there is told within 2 s."""
CONNECT_SECONDS: Final = 1.5
AGAIN_SECONDS: Final = 0.2
NOT_READY: Final = HTTPStatus.SERVICE_UNAVAILABLE


@contextmanager
def connect(
    url: list[str], key_file: Path | None, patience_seconds: float | None = None
) -> Iterator[Client]:
    """A client of the service at these URLs, for as long as a `with` block lasts, and as patient
    as `PATIENCE_SECONDS` unless told otherwise.

    Raises InvalidInput for what is no URL or no key, EndpointUnreachable within 2 s when nobody is
    there, and NotAuthorized in the words of the command line.
    """
    from workmill import Client

    key = read_key(text_of(key_file))
    patience = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    with Client(url, key=key, timeout_seconds=patience) as client:
        _look(url)
        try:
            yield client
        except NotAuthorized:
            raise NotAuthorized(_about_key(key_file)) from None


def _about_key(key_file: Path | None) -> str:
    if key_file is None:
        return "Name the file that holds the service's key: --key-file FILE, or WORKMILL_KEY_FILE."
    return (
        f"The service does not take the key in {key_file}. Nothing was changed. Name the file that "
        "holds its key: --key-file FILE, or WORKMILL_KEY_FILE."
    )


def _look(urls: Sequence[str]) -> None:
    """Whether anybody is there. In a thread, for nothing bounds the time that a name may take."""
    from workmill.client.sync_transport import Transport

    answer: list[Reply | Exception] = []
    transport = Transport(urls)
    thread = threading.Thread(target=_ask, args=(transport, answer), daemon=True)
    thread.start()
    thread.join(LOOK_SECONDS)
    if not answer:
        raise _nobody(urls, f"no answer within {LOOK_SECONDS:.0f} s")
    (found,) = answer
    transport.close()
    if isinstance(found, EndpointUnreachable):
        _judge(urls, found)
    elif isinstance(found, Exception):
        if not isinstance(found, WorkmillError):
            raise found
    else:
        _note_on(found)


def _note_on(found: Reply) -> None:
    """Why it may take longer now."""
    if found.status == NOT_READY:
        note(
            f"The service is not ready; retrying for up to {PATIENCE_SECONDS:.0f} s where that "
            "helps."
        )
    elif _is_strangers(found):
        note(
            f"What answers there is no endpoint of Workmill (HTTP status {found.status}), or not "
            f"now; asking again for up to {PATIENCE_SECONDS:.0f} s."
        )


def _is_strangers(found: Reply) -> bool:
    """Whether another service answers, or what stands between: that may pass."""
    from workmill.client.answer_checks import json
    from workmill.client.foreign_answers import own_problem
    from workmill.wire.messages import Readiness

    if found.status != HTTPStatus.OK:
        return own_problem(found) is None
    try:
        json(Readiness, found)
    except EndpointUnreachable:
        return True
    return False


def _ask(transport: Transport, answer: list[Reply | Exception]) -> None:
    """The thread's body: whatever comes of it is for the one who waits. An answer that was cut off
    is asked for again, while there is time."""
    from workmill.client.steps import Request
    from workmill.wire import paths

    until = time.monotonic() + CONNECT_SECONDS
    while True:
        left = max(until - time.monotonic(), 0.1)
        try:
            answer.append(transport.send(Request("GET", paths.READYZ, timeout_seconds=left)))
        except Exception as error:  # noqa: BLE001 - raised again where it is seen
            if _cut_off(error) and time.monotonic() + AGAIN_SECONDS < until:
                time.sleep(AGAIN_SECONDS)
                continue
            answer.append(error)
        return


def _cut_off(error: Exception) -> bool:
    """Whether a connection was taken and ended without a whole answer: by an endpoint that is being
    replaced, or by what stands between."""
    import httpcore

    ended = httpcore.ReadError | httpcore.WriteError | httpcore.RemoteProtocolError
    return isinstance(error, EndpointUnreachable) and isinstance(error.__cause__, ended)


def _judge(urls: Sequence[str], error: EndpointUnreachable) -> None:
    """Who took the connection and is silent may only be slow; all else is nobody."""
    import httpcore
    import httpx

    if not isinstance(error.__cause__, httpx.ReadTimeout | httpcore.ReadTimeout):
        raise _nobody(urls, str(error.__cause__ or error.detail))
    note(f"The service is slow to answer; waiting for up to {PATIENCE_SECONDS:.0f} s.")


def _nobody(urls: Sequence[str], cause: str) -> EndpointUnreachable:
    return EndpointUnreachable(
        f"{', '.join(urls)}: {_plain(cause) or 'no reply'}. Nothing was asked of the service. "
        "Check --url or WORKMILL_URL, and that the service runs."
    )


def _plain(cause: str) -> str:
    """What the system says, without its number."""
    return re.sub(r"^\[(Errno|SSL:?) ?[\w-]+\] ", "", cause).strip().rstrip(".")
