"""Two controllers in processes of their own over one service: one leads, whatever happens to it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.system.processes import Up, until

ROOT = Path(__file__).parents[2]


class Order(NamedTuple):
    name: str
    token: int


class Pair:
    """Two controllers and the orders of both, in the order of their coming."""

    def __init__(self, url: str, file: Path) -> None:
        self.file = file
        file.touch()
        words = (sys.executable, "-m", "tests.system.controlling")
        self.processes = {
            name: subprocess.Popen(
                [*words, name, url, str(file)], stderr=subprocess.DEVNULL, cwd=ROOT
            )
            for name in ("one", "two")
        }

    def orders(self) -> list[Order]:
        lines = (line.split() for line in self.file.read_text().splitlines(keepends=True))
        return [Order(words[0], int(words[1])) for words in lines if len(words) == 3]

    def leader(self) -> str:
        return until(lambda: self.orders() and self.orders()[-1].name)  # type: ignore[no-any-return]

    def other(self, name: str) -> str:
        return "two" if name == "one" else "one"

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def takes_over(self, name: str) -> list[Order]:
        """Wait until this one gives orders; all orders until then."""
        until(lambda: self.orders()[-1].name == name)
        return self.orders()


@contextmanager
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        up = stack.enter_context(Up(tmp_path, workers=0))
        made = Pair(up.url, tmp_path / "orders")
        for process in made.processes.values():
            stack.callback(process.wait, 20)
            stack.callback(process.kill)
        yield made


def one_at_a_time(orders: list[Order]) -> bool:
    """Whether tokens never fell and none was borne by two."""
    tokens = [order.token for order in orders]
    holders = {order.token: order.name for order in orders}
    return tokens == sorted(tokens) and all(holders[one.token] == one.name for one in orders)


def test_a_killed_leader_is_followed_by_the_other(tmp_path: Path) -> None:
    """kill -9: the other one leads when the lease has run out, with a higher token."""
    with pair(tmp_path) as controllers:
        first = controllers.leader()
        controllers.signal(first, signal.SIGKILL)
        orders = controllers.takes_over(controllers.other(first))
        assert one_at_a_time(orders)
        assert len({order.token for order in orders}) == 2


def test_a_leader_stopped_past_its_lease_gives_no_order_when_it_wakes(tmp_path: Path) -> None:
    """SIGSTOP in whatever it was doing: it wakes into the other's term, and orders nothing."""
    with pair(tmp_path) as controllers:
        asleep = controllers.leader()
        controllers.signal(asleep, signal.SIGSTOP)
        awake = controllers.other(asleep)
        known = len(controllers.takes_over(awake))
        controllers.signal(asleep, signal.SIGCONT)
        until(lambda: len(controllers.orders()) > known + 20)
        assert {order.name for order in controllers.orders()[known:]} == {awake}
        assert one_at_a_time(controllers.orders())
