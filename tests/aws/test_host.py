"""What a fresh machine does in its user data, done here: in mounts of its own, over this machine's
/etc, with the real users, files and units. Packages and systemd's actions are only noted."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.aws.deployed import Cloud
from tests.hosts.hosts import missing

from workmill.store.redis.addresses import parse_address

INSIDE = """
set -eu
mount -t tmpfs none "$SCRATCH"
mkdir "$SCRATCH/up" "$SCRATCH/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$SCRATCH/up,workdir=$SCRATCH/work" /etc
mount -t tmpfs none /opt
cp -r "$CHECKOUT" /opt/workmill
printf '#!/bin/sh\\nln -sfn "%s" .venv\\n' "$VENV" >/opt/workmill/scripts/venv
printf 'import sys; print("signal", *sys.argv[1:], file=open("%s/asked", "a"))' "$FOUND" \
    >/opt/workmill/deploy/aws/signalling.py
/opt/workmill/deploy/aws/host "$@"
/opt/workmill/deploy/aws/host "$@"
cd /etc
find workmill* -printf '%y %m %u %p\\n' | sort -k4 >"$FOUND/files"
cp workmill/*.env systemd/system/workmill-*.service "$FOUND" 2>/dev/null || true
for key in /etc/workmill-*/workmill.key; do
    runuser -u nobody -- cat "$key" 2>/dev/null >>"$FOUND/seen" || true
    if [ -e "$key" ]; then runuser -u workmill -- cat "$key" >"$FOUND/key"; fi
done
systemd-analyze verify /etc/systemd/system/workmill-*.service >"$FOUND/verified" 2>&1
"""

pytestmark = pytest.mark.skipif(
    getpass.getuser() != "root" and os.environ.get("CI") != "true", reason="needs root"
)


class Fresh:
    """A machine after its user data: what was found on it, and what it asked the system to do."""

    def __init__(self, folder: Path, cloud: Cloud, *words: str) -> None:
        self.found = folder / "found"
        self.found.mkdir()
        (folder / "scratch").mkdir()
        stand_ins = folder / "stand-ins"
        stand_ins.mkdir()
        for name in ("apt-get", "hostnamectl", "systemctl", "sysctl"):
            noting = f'#!/bin/sh\necho "{name} $*" >>"{self.found}/asked"\n'
            _write(stand_ins / name, noting)
        _write(stand_ins / "cloud-init", "#!/bin/sh\necho i-0abc\n")
        _write(stand_ins / "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        run = subprocess.run(
            [
                "unshare",
                "--mount",
                "sh",
                "-c",
                INSIDE,
                "host",
                "eu-central-1",
                cloud.bucket,
                "mill",
                *words,
            ],
            env={
                **os.environ,
                "PATH": f"{stand_ins}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": cloud.url,
                "SCRATCH": str(folder / "scratch"),
                "CHECKOUT": str(cloud.checkout),
                "FOUND": str(self.found),
                "VENV": sys.prefix,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert run.returncode == 0, run.stderr + self.read("verified")

    def read(self, name: str) -> str:
        place = self.found / name
        return place.read_text() if place.exists() else ""

    def settings(self, role: str) -> dict[str, str]:
        lines = self.read(f"{role}.env").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def figures(self) -> list[str]:
        """The words that its figures are published with."""
        return self.settings("figures")["WORKMILL_FIGURES_OPTIONS"].split()

    def readable_by_all(self) -> list[str]:
        """Files of ours beneath /etc that any user may read, the settings themselves aside."""
        files = [line.split() for line in self.read("files").splitlines()]
        secret = [one for one in files if one[0] == "f" and not one[3].startswith("workmill/")]
        return [path for _, mode, _, path in secret if int(mode, 8) & 0o007]


def _write(place: Path, text: str) -> None:
    place.write_text(text)
    place.chmod(0o755)


@pytest.fixture(autouse=True)
def _can_make_hosts() -> None:
    if lacking := missing():
        assert os.environ.get("CI") != "true", lacking
        pytest.skip(lacking)


def test_without_callers_from_outside_there_is_no_door_for_them(deployed: Cloud) -> None:
    """Nor an alarm that watches one."""
    doors = deployed.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert [door["Scheme"] for door in doors] == ["internal"]
    watched = deployed.parameters("mill-alarms")
    assert watched.get("PublicDoorName", "") == ""
    assert watched["InnerDoorName"].startswith("app/")
    assert watched["InnerTargetsName"].startswith("targetgroup/")


def test_a_machine_becomes_an_endpoint(deployed: Cloud, tmp_path: Path) -> None:
    """It knows its store and its key, its user alone can read them, and its unit is started."""
    fresh = Fresh(tmp_path, deployed, "endpoint")
    settings = fresh.settings("endpoint")
    address = parse_address(settings["WORKMILL_STORE"])
    assert [node.host for node in address.nodes] == ["10.42.16.10", "10.42.32.10", "10.42.48.10"]
    assert settings["WORKMILL_NOTICE_SECONDS"] == "15"
    assert fresh.read("key") == (deployed.secrets / "workmill.key").read_text()
    assert fresh.read("seen") == ""
    assert fresh.readable_by_all() == []
    assert "systemctl enable --now workmill-endpoint.service" in fresh.read("asked")
    assert "signal eu-central-1 mill Endpoints" in fresh.read("asked")
    assert fresh.figures() == [
        "--region",
        "eu-central-1",
        "--cluster",
        "mill",
        "--role",
        "endpoint",
    ]


def test_a_machine_becomes_a_worker(deployed: Cloud, tmp_path: Path) -> None:
    """One, behind the inner door, on a host that is called by its machine's id."""
    fresh = Fresh(tmp_path, deployed, "worker", "http://door:5000")
    assert fresh.settings("worker")["WORKMILL_URL"] == "http://door:5000"
    assert "systemctl enable --now workmill-worker@1" in fresh.read("asked")
    assert "hostnamectl set-hostname i-0abc" in fresh.read("asked")
    assert "systemctl enable --now workmill-figures@workmill" in fresh.read("asked")


def test_a_machine_becomes_a_controller(deployed: Cloud, tmp_path: Path) -> None:
    """It is told which fleet is its own."""
    words = ("http://door:5000", "subnet-1,subnet-2", "1:20")
    fresh = Fresh(tmp_path, deployed, "controller", *words)
    settings = fresh.settings("controller")
    assert settings["WORKMILL_CONTROLLER_OPTIONS"].endswith(
        "--cluster mill --region eu-central-1 --subnets subnet-1,subnet-2 --workers 1:20"
    )
    assert fresh.readable_by_all() == []
    assert "signal eu-central-1 mill Controllers" in fresh.read("asked")
    assert fresh.figures()[-4:] == [
        *("--url", "http://door:5000"),
        *("--key-file", settings["WORKMILL_KEY_FILE"]),
    ]


def test_a_machine_becomes_a_store_host(deployed: Cloud, tmp_path: Path) -> None:
    """It has its own files and no other's, which its user can only read, and its units."""
    fresh = Fresh(tmp_path, deployed, "store-2")
    kinds = {
        tuple(line.split()[:3]) for line in fresh.read("files").splitlines() if "-redis" in line
    }
    assert kinds == {("d", "750", "root"), ("f", "640", "root")}
    assert fresh.readable_by_all() == []
    assert "workmill-redis/tls/host.key" in fresh.read("files")
    assert "workmill.key" not in fresh.read("files")
    units = "workmill-sentinel workmill-redis workmill-redis-watch"
    assert f"systemctl enable --now {units}" in fresh.read("asked")
    assert fresh.figures()[-3:] == ["store-2", "--redis-hosts", "/etc/workmill-redis"]
    assert "systemctl enable --now workmill-figures@workmill-redis" in fresh.read("asked")
