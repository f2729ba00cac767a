"""What both kinds of handle are: one submitted job, with what the endpoint answered to it."""

from __future__ import annotations

from typing import Never

from workmill.client.retries import worth_retrying
from workmill.domain.errors import InvalidInput, WorkmillError, error_for
from workmill.wire.messages import CancelReply, SubmitReply


class Uncopied:
    """Cannot be copied or sent to another process: it holds connections, and perhaps a key."""

    __slots__ = ()

    def __reduce__(self) -> Never:
        raise InvalidInput(
            f"A {type(self).__name__} cannot be copied or pickled: it holds connections, and a key "
            "perhaps. Make a client in each process, and hand on the ids of jobs."
        )


class SubmittedJob(Uncopied):
    """A job that was sent; kept slim, for a program may hold a million of them."""

    __slots__ = ("_reply",)

    def __init__(self, reply: SubmitReply) -> None:
        self._reply = reply

    @property
    def id(self) -> str:
        """The job's UUID as text."""
        return self._reply.id

    @property
    def status(self) -> str:
        """The status at submit; `progress()` asks for the present one."""
        return self._reply.status

    @property
    def problem(self) -> str | None:
        """Why this item of a `submit_many` was refused; None when it was taken."""
        return self._reply.problem

    def known(self) -> bytes | None:
        """The raw value when it was known at submit already. Raises the refusal of the submit."""
        if self._reply.problem is not None:
            raise refusal(self._reply)
        return None if self._reply.value is None else bytes.fromhex(self._reply.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.status!r})"


def refusal(reply: SubmitReply | CancelReply) -> WorkmillError:
    """The error that a refused item of a batch stands for."""
    kind = error_for(reply.slug or InvalidInput.slug)
    return kind(f"Job {reply.id} was refused: {reply.problem}")


def may_pass_later(reply: SubmitReply | CancelReply) -> bool:
    """Whether an item was refused for a reason that passes, and may be sent again."""
    return reply.problem is not None and worth_retrying(refusal(reply))
