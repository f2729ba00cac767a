"""Two balancers and one address: the shipped keepalived.conf, with a real keepalived and a real
HAProxy on each of two hosts in network namespaces."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.balancer.doors import CONFIG, SHIPPED, binary
from tests.hosts.hosts import missing
from tests.hosts.network import Network, run
from tests.system.processes import until
from tests.system.roles import Role

from workmill.controller.balancer import Place
from workmill.controller.balancers.haproxy import HAProxy

ONE, TWO = "one", "two"
ADDRESSES = {ONE: "10.214.1.1", TWO: "10.214.1.2"}
DOOR = "10.214.1.10"
ENDPOINT = Place("127.0.0.1", 7000)
READY = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ready(BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
HTTPServer(("127.0.0.1", 7000), Ready).serve_forever()
"""

pytestmark = pytest.mark.skipif(
    bool(missing() or not shutil.which("keepalived")) and os.environ.get("CI") != "true",
    reason="needs root, iproute2, nftables and keepalived",
)


@contextmanager
def open_folder() -> Iterator[Path]:
    """One that HAProxy's own user reaches."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def configured(folder: Path, name: str) -> Path:
    """The shipped file for this host, with its places in this folder."""
    (other,) = ADDRESSES.keys() - {name}
    local = folder / "workmill.local"
    local.write_text(
        f"$INTERFACE=eth0\n$OWN={ADDRESSES[name]}\n$PEER={ADDRESSES[other]}\n$DOOR={DOOR}/24\n"
    )
    shutil.copy(SHIPPED / "standing", folder / "standing")
    text = (SHIPPED / "keepalived.conf").read_text()
    text = text.replace("/etc/keepalived/workmill.local", str(local))
    made = folder / "keepalived.conf"
    made.write_text(text.replace("/etc/haproxy/standing", str(folder / "standing")))
    return made


class Host:
    """One machine with a balancer and a keepalived."""

    def __init__(self, network: Network, name: str, folder: Path) -> None:
        self._network, self._name = network, name
        self.log = folder / "log"
        admin = folder / "admin.sock"
        settings = {
            "WORKMILL_USER": "haproxy",
            "WORKMILL_ADMIN": str(admin),
            "WORKMILL_METRICS": str(folder / "figures.sock"),
            "WORKMILL_STATE": str(folder / "slots"),
        }
        keeping = ["keepalived", "--vrrp", "--dont-fork", "--log-console", "--log-detail"]
        keeping += ["--pid", str(folder / "pid"), "--vrrp_pid", str(folder / "vrrp_pid")]
        keeping += ["--use-file", str(configured(folder, name))]
        self.haproxy = self._role([binary(), "-W", "-f", str(CONFIG)], settings)
        self._others = [
            self._role([sys.executable, "-c", READY], {}),
            self._role(keeping, settings),
        ]
        self._balancer = HAProxy(admin)

    def _role(self, words: list[str], settings: dict[str, str]) -> Role:
        return Role(self.log, self._network.command(self._name, *words), settings)

    def give_an_endpoint(self) -> None:
        until(self._has_one)

    def _has_one(self) -> bool:
        try:
            asyncio.run(self._balancer.add(ENDPOINT))
        except Exception:  # noqa: BLE001 - it is not up yet
            return False
        return True

    @property
    def has_the_address(self) -> bool:
        shown = run("ip", "-n", self._network.namespace(self._name), "address", "show", "eth0")
        return f"inet {DOOR}/24" in shown

    def close(self) -> None:
        for role in (*self._others, self.haproxy):
            if role.alive:
                role.end(signal.SIGTERM)


def test_the_address_goes_to_the_balancer_that_can_serve() -> None:
    """First to the one that has an endpoint, and to the other one when that one's HAProxy ends; to
    one at a time."""
    with ExitStack() as stack:
        network = stack.enter_context(Network(ADDRESSES))
        hosts = []
        for name in (ONE, TWO):
            folder = stack.enter_context(open_folder())
            hosts.append(Host(network, name, folder))
            stack.callback(hosts[-1].close)
        one, two = hosts  # without endpoints it goes to the higher address, which is the other's
        one.give_an_endpoint()
        until(lambda: one.has_the_address and not two.has_the_address)
        one.haproxy.end(signal.SIGTERM)
        until(lambda: two.has_the_address and not one.has_the_address)


def test_keepalived_knows_every_word() -> None:
    """Its own check takes the file, and finds a word that is misspelt."""
    with Network(ADDRESSES) as network, open_folder() as folder:
        file = configured(folder, ONE)
        assert problems(network, file) == ""
        file.write_text(file.read_text().replace("advert_int", "advert_interval"))
        assert "Unknown keyword 'advert_interval'" in problems(network, file)


def problems(network: Network, file: Path) -> str:
    """What keepalived's check writes down. Its exit code says nothing: with scripts in the file,
    2.2.7 ends itself by the signal that it means for them."""
    report = file.with_name("report")
    words = ["keepalived", f"--config-test={report}", "--use-file", str(file)]
    subprocess.run(
        network.command(ONE, *words),
        capture_output=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )
    return report.read_text()
