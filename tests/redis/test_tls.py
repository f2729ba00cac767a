"""TLS both ways: the server shows a certificate that is checked, and so does the client."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.redis.sets import SetStore
from tests.redis_servers import running_redis

from workmill.store.redis.addresses import Access, Tls
from workmill.store.redis.connection import Connection, Silent

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """A certificate that may sign others; its key lies beside it."""
    made = folder / f"{name}.pem"
    key = folder / f"{name}.key"
    openssl("req", "-x509", *_NEW_KEY, "-keyout", key, "-out", made, "-subj", f"/CN={name}")
    return made


def signed(folder: Path, name: str, by: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key."""
    request, made, key = (folder / f"{name}.{kind}" for kind in ("csr", "pem", "key"))
    about = folder / "about"
    about.write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    given = ("-CA", by, "-CAkey", by.with_suffix(".key"), "-CAcreateserial", "-extfile", about)
    openssl("x509", "-req", "-in", request, "-out", made, *given)
    return str(made), str(key)


def test_only_known_certificates_are_spoken_to(tmp_path: Path) -> None:
    """With the right ones everything works; a stranger's server or client gets nowhere."""
    ours, strange = authority(tmp_path, "ours"), authority(tmp_path, "strange")
    server, client = signed(tmp_path, "server", ours), signed(tmp_path, "client", ours)
    tls = Tls(ca_file=str(ours), cert_file=client[0], key_file=client[1])
    settings = {
        "tls-cert-file": server[0],
        "tls-key-file": server[1],
        "tls-ca-cert-file": str(ours),
    }
    with running_redis(tmp_path / "redis", settings, Access(tls=tls)) as redis:
        store = SetStore(redis.address)
        store.add(b"1")
        store.link.close()
        wrong = Tls(ca_file=str(strange), cert_file=client[0], key_file=client[1])
        for access in (Access(tls=wrong), Access(tls=Tls(ca_file=str(ours))), Access()):
            with pytest.raises(Silent):
                Connection(redis.node, access, connect_seconds=0.5).ask("PING", seconds=0.5)
        with pytest.raises(Silent, match="write rediss in place of redis"):
            Connection(redis.node, Access(), connect_seconds=0.5).ask("PING", seconds=0.5)
    told = pytest.raises(Silent, match="write redis in place of rediss")
    with running_redis(tmp_path / "plain") as redis, told:
        Connection(redis.node, Access(tls=tls), connect_seconds=0.5)
