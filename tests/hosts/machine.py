"""One host of the local set: its processes, started and hurt as a person or a disk would."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

import msgspec
from tests.hosts.network import Network

from workmill.redis_hosts.plan import Host, Places, Plan
from workmill.redis_hosts.prepare import prepare_host
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.start import FOUNDING

Part = Literal["server", "watch", "sentinel"]
PARTS: tuple[Part, ...] = get_args(Part)
_HOSTS = (sys.executable, "-P", "-m", "workmill.redis_hosts")
_END_SECONDS = 15.0


class Machine:
    """A host with its own files and its own network; what it runs writes to `<part>.log`."""

    def __init__(self, folder: Path, network: Network, plan: Plan, host: Host) -> None:
        self.host = host
        self.folder = folder / host.name
        self.data = self.folder / "data"
        self.processes: dict[Part, subprocess.Popen[bytes]] = {}
        self._network = network
        places = Places(
            configuration=str(self.folder),
            data=str(self.data),
            sentinel=str(self.folder / "sentinel"),
            python=sys.executable,
            redis_server=plan.places.redis_server,
        )
        self.plan = msgspec.structs.replace(plan, places=places)
        prepare_host(folder, self.plan, host)
        self.data.mkdir(exist_ok=True)
        Path(places.sentinel).mkdir(exist_ok=True)

    @property
    def settings(self) -> HostSettings:
        return HostSettings(host=self.host, plan=self.plan)

    def found(self) -> None:
        """What a person does on the first host of a new set."""
        (self.data / FOUNDING).touch()

    def start(self, *parts: Part) -> None:
        """Start these parts, or all of them, as the units would; running ones stay."""
        for part in parts or PARTS:
            if not self.alive(part):
                with (self.folder / f"{part}.log").open("ab") as log:
                    self.processes[part] = subprocess.Popen(
                        self._network.command(self.host.name, *self._words(part)),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        process_group=0,
                    )

    def _words(self, part: Part) -> list[str]:
        if part != "sentinel":
            act = "start" if part == "server" else "watch"
            return [*_HOSTS, act, str(self.folder)]
        own = Path(self.plan.places.sentinel, "sentinel.conf")
        if not own.exists():
            shutil.copyfile(self.folder / "sentinel.conf", own)
        return [self.plan.places.redis_server, str(own), "--sentinel"]

    def alive(self, part: Part) -> bool:
        return part in self.processes and self.processes[part].poll() is None

    def kill(self, part: Part = "server") -> None:
        """kill -9, and gone when this returns."""
        self.processes[part].kill()
        self.processes[part].wait()

    def pause(self, part: Part = "server") -> None:
        self.processes[part].send_signal(signal.SIGSTOP)

    def resume(self, part: Part = "server") -> None:
        self.processes[part].send_signal(signal.SIGCONT)

    def mend(self) -> None:
        """Everything runs again."""
        for part in PARTS:
            self.resume(part)
        self.start()

    def lose_disk(self) -> None:
        """The directory is empty when the server starts again."""
        assert not self.alive("server")
        shutil.rmtree(self.data)
        self.data.mkdir()

    def log(self, part: Part) -> str:
        return (self.folder / f"{part}.log").read_text(errors="replace")

    def close(self) -> None:
        """End all that runs here, by force when a word is not enough."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in self.processes.values():
            process.wait(_END_SECONDS)
