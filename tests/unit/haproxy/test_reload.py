"""The slots of the balancer are written down whole, or the file stays as it was."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.redis_servers import folder

from workmill.haproxy.reload import write_slots

SLOTS = b"1\n# be_id be_name srv_id\n3 workmill 1 endpoint1\n\n"


@contextmanager
def balancer(answer: bytes) -> Iterator[Path]:
    """The path of an admin socket that gives this answer once."""
    with folder() as place, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "admin.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield place / "admin.sock"
        thread.join()


def test_what_it_says_of_its_slots_is_kept(tmp_path: Path) -> None:
    """As it was said, and nothing beside it."""
    with balancer(SLOTS) as admin:
        write_slots(admin, tmp_path / "slots")
    assert [one.name for one in tmp_path.iterdir()] == ["slots"]
    assert (tmp_path / "slots").read_bytes() == SLOTS


@pytest.mark.parametrize("answer", [b"", b"Permission denied\n"])
def test_any_other_answer_leaves_the_file_as_it_was(tmp_path: Path, answer: bytes) -> None:
    """A balancer that was started from it would know no endpoint."""
    state = tmp_path / "slots"
    state.write_bytes(SLOTS)
    with (
        balancer(answer) as admin,
        pytest.raises(OSError, match=answer.decode().strip() or "nothing"),
    ):
        write_slots(admin, state)
    assert state.read_bytes() == SLOTS
