"""Write everything that a set of hosts needs into one directory, a folder for each host.

Doing it again is how a set is changed: the authority and the passwords stay, certificates and
configuration are made anew.

    set/ca/             ca.crt, ca.key: keep the key off the hosts
    set/passwords.json  of all users; keep it off the hosts too
    set/redis-1/        what goes to /etc/workmill-redis on that host
    set/endpoint/       what goes to /etc/workmill-endpoint wherever an endpoint runs
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from workmill.domain.errors import InvalidInput
from workmill.redis_hosts.certificates import make_authority, make_certificate
from workmill.redis_hosts.plan import Host, Passwords, Plan
from workmill.redis_hosts.render import SECRET_FILES, host_files

ENDPOINT_PLACE: Final = "/etc/workmill-endpoint"
_PASSWORD_BYTES: Final = 32
_SERVERS_ONLY: Final = 0o640
_ANYBODY: Final = 0o644


def passwords_in(folder: Path) -> Passwords:
    """The passwords of this set; made when there are none yet."""
    file = folder / "passwords.json"
    if file.exists():
        try:
            return msgspec.json.decode(file.read_bytes(), type=Passwords)
        except msgspec.DecodeError as error:
            raise InvalidInput(f"{file} is damaged: {error}. Nothing was changed.") from None
    made = Passwords(
        **{name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in Passwords.__struct_fields__}
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(file, msgspec.json.encode(made).decode(), 0o600)
    return made


def prepare(folder: Path, plan: Plan) -> None:
    """Write the folder of every host, and the one for endpoints."""
    make_authority(folder / "ca", f"{plan.name} store")
    for host in plan.hosts:
        prepare_host(folder, plan, host)
    prepare_client(folder, plan, ENDPOINT_PLACE)


def prepare_client(folder: Path, plan: Plan, place: str) -> None:
    """Write the folder that an endpoint finds at `place`."""
    client = folder / "endpoint"
    make_certificate(folder / "ca", client / "tls", "endpoint", None)
    _write(client / "password", plan.passwords.endpoint + "\n", 0o600)
    _write(client / "address", store_address(plan, place) + "\n", _ANYBODY)


def store_address(plan: Plan, folder: str) -> str:
    """What an endpoint is given as `--store`, when its files lie in this folder. The watch
    beside each server keeps the settings of the log, which its user may not read."""
    sentinels = ",".join(f"{host.address}:{plan.sentinel_port}" for host in plan.hosts)
    files = {
        "password_file": "password",
        "ca_file": "tls/ca.crt",
        "cert_file": "tls/host.crt",
        "key_file": "tls/host.key",
    }
    words = "&".join(f"{option}={folder}/{name}" for option, name in files.items())
    return f"rediss+sentinel://endpoint@{sentinels}/{plan.name}?{words}&settings=kept"


def prepare_host(folder: Path, plan: Plan, host: Host) -> None:
    """Write one host's folder."""
    make_certificate(folder / "ca", folder / host.name / "tls", host.name, host.address)
    for name, text in host_files(plan, host).items():
        _write(folder / host.name / name, text, _SERVERS_ONLY if name in SECRET_FILES else _ANYBODY)


def _write(file: Path, text: str, mode: int) -> None:
    """Whole or not at all, and never readable by more than `mode` says."""
    made = file.with_name(file.name + ".new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
        out.write(text)
    made.chmod(mode)
    made.replace(file)
