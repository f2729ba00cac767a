"""One conversation with one server, and the two ways in which it can fail.

Theory. Whether a command may be sent again depends on one thing: can it have been carried out?
`Refused` is an error that the server itself replied, told by its first word (READONLY, OOM...):
what that word means is policy, and is in `error_remedies`. `Silent` is no reply at all: nobody
was reached (`sent` is false, nothing can have happened), or the reply is missing (`sent` is true,
anything may have happened).

The driver, redis-py, would try again on its own and open a lost connection anew without a word.
Both are off here: a connection that has failed stays closed, and whoever made it makes another.
A reply that drips or never ends is one that is missing; see `paced_socket`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from redis import connection as driver
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from workmill.store.redis.addresses import UNIX_PORT, Access, Node
from workmill.store.redis.paced_socket import paced

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 5.0

Word = bytes | str | int


class Refused(Exception):
    """The server replied with an error; `code` is its first word."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}".strip())
        self.code = code


class Silent(Exception):
    """There was no reply. `sent` when the command may have been carried out all the same;
    `closed` when the machine is there and says that nobody listens at that port."""

    def __init__(self, text: str, *, sent: bool, closed: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        self.closed = closed


class Connection:
    """A conversation that is open from its making until its first failure."""

    def __init__(
        self,
        node: Node,
        access: Access,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Connect and log in. Raises Silent or Refused."""
        self.node = node
        self._answer_seconds = answer_seconds
        self._open = self._heard = False
        self._tls = access.tls is not None
        self._driver: Any = _driver(node, access, connect_seconds, answer_seconds)
        try:
            self._driver.connect()
        except Exception as error:
            code = getattr(error, "status_code", None)
            if isinstance(code, str):
                raise Refused(code, f"{node}: {_words(error)}") from error
            closed = isinstance(error.__context__, ConnectionRefusedError)
            text = f"{node} could not be reached: {_words(error)}"
            if access.tls is not None and isinstance(error, RedisTimeoutError):
                text += " (if it does not speak TLS, write redis in place of rediss)"
            raise Silent(text, sent=False, closed=closed) from error
        self._open = True

    def ask(self, *words: Word, seconds: float | None = None) -> Any:
        """Send one command and return its reply. Raises Silent or Refused."""
        self.send([words])
        return self.receive(seconds)

    def ask_all(
        self, commands: Sequence[Sequence[Word]], seconds: float | None = None
    ) -> list[Any]:
        """Send several commands at once and return their replies, a Refused among them where the
        server refused one. Raises Silent, or the last Refused when the server hung up after it."""
        self.send(commands)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(self.receive(seconds))
            except Refused as refused:
                replies.append(refused)
            except Silent:
                if replies and isinstance(replies[-1], Refused):  # NOAUTH: and then it hung up
                    raise replies[-1] from None
                raise
        return replies

    def send(self, commands: Iterable[Sequence[Word]]) -> None:
        """Send without waiting; `receive` must be called once for each command."""
        self._check_open()
        try:
            self._driver.send_packed_command(self._driver.pack_commands(commands))
        except (RedisError, OSError) as error:
            self.close()
            raise Silent(f"{self.node} was lost: {_words(error)}", sent=True) from error

    def receive(self, seconds: float | None = None) -> Any:
        """The next reply, within `seconds` beyond which the connection is given up."""
        self._check_open()
        try:
            patience = self._answer_seconds if seconds is None else seconds
            self._driver.paced.begin(patience)
            reply = self._driver.read_response(timeout=patience)
        except ResponseError as error:
            self._heard = True
            raise _refused(error) from error
        except Exception as error:
            if isinstance(getattr(error, "status_code", None), str):
                raise _refused(error) from error  # it is a reply, and others follow it
            self.close()
            raise Silent(f"{self.node} did not answer: {self._said(error)}", sent=True) from error
        self._heard = True
        return reply

    def _said(self, error: Exception) -> str:
        """Whoever hangs up at the first word may have expected another one."""
        if self._heard or self._tls or not isinstance(error, RedisConnectionError):
            return _words(error)
        return f"{_words(error)} (if it speaks TLS, write rediss in place of redis)"

    def is_alive(self) -> bool:
        """Whether nobody has closed it meanwhile, as far as this side can see without asking."""
        if not self._open:
            return False
        try:
            return not self._driver.can_read(0)
        except RedisError:
            self.close()
            return False

    def close(self) -> None:
        """May be called twice."""
        self._open = False
        self._driver.disconnect()

    def _check_open(self) -> None:
        if not self._open:
            raise Silent(f"the connection to {self.node} is closed", sent=True)


def _driver(node: Node, access: Access, connect_seconds: float, answer_seconds: float) -> Any:
    """The driver's connection, not open yet."""
    options: dict[str, Any] = {
        "username": access.user,
        "password": _password(access),
        "protocol": 2,
        "socket_timeout": connect_seconds,
        "socket_connect_timeout": connect_seconds,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        "seconds": answer_seconds,
    }
    if node.port == UNIX_PORT:
        return paced(driver.UnixDomainSocketConnection)(path=node.host, **options)
    options |= {"host": node.host, "port": node.port}
    if access.tls is None:
        return paced(driver.Connection)(**options)
    for name in filter(None, (access.tls.ca_file, access.tls.cert_file, access.tls.key_file)):
        if not Path(name).is_file():
            raise Silent(f"{name}: there is no such file", sent=False)
    return paced(driver.SSLConnection)(
        ssl_ca_certs=access.tls.ca_file,
        ssl_certfile=access.tls.cert_file,
        ssl_keyfile=access.tls.key_file,
        **options,
    )


def _password(access: Access) -> str | None:
    """Read anew at every connection, so that it can be changed under a running endpoint."""
    if access.password_file is None:
        return access.password
    try:
        found = Path(access.password_file).read_text().strip()
    except OSError as error:
        raise Silent(f"{access.password_file}: {error.strerror}", sent=False) from error
    except ValueError as error:
        raise Silent(f"{access.password_file} holds no text", sent=False) from error
    if not found:
        raise Silent(f"{access.password_file} is empty", sent=False)
    return found


def _refused(error: Exception) -> Refused:
    """redis-py takes the first word off the errors that it knows, and leaves it on the others."""
    text = str(error)
    code = getattr(error, "status_code", None)
    if not isinstance(code, str):
        code, _, text = text.partition(" ")
    return Refused(code, text.rstrip(" .:"))


def _words(error: Exception) -> str:
    if isinstance(error, RedisError | OSError | ValueError):
        return str(error).rstrip(".")
    return f"what came is no reply of a Redis that can be read ({type(error).__name__})"
