"""A private certificate authority and the certificates that it signs, made by openssl.

The authority signs for nobody else, so "signed by it" means "one of us": servers take
connections only from those who show such a certificate, and everybody checks the address that
it names. Renewal is making them again; the authority stays.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from workmill.domain.errors import InvalidInput

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 825
_OPENSSL_SECONDS: Final = 60.0
_NEW_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(folder: Path, name: str) -> None:
    """`ca.crt` and `ca.key` in this folder, unless they are there already. The certificate is made
    last: without it the key has signed nothing, and may be made anew."""
    if (folder / "ca.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = folder / "ca.crt.new"  # a full disk must not leave a part as the whole
    _openssl(
        *("req", "-x509", *_NEW_KEY, "-days", str(AUTHORITY_DAYS), "-subj", f"/CN={name}"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", str(folder / "ca.key"), "-out", str(half)),
    )
    half.replace(folder / "ca.crt")


def make_certificate(authority: Path, folder: Path, name: str, address: str | None) -> None:
    """`host.crt`, `host.key` and `ca.crt` in this folder, for a host at this address, or for a
    client when there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    alternative = f"DNS:{name}" + (f",IP:{address},IP:127.0.0.1" if address else "")
    usage = "serverAuth,clientAuth" if address else "clientAuth"
    with TemporaryDirectory() as scratch:
        request, extensions = Path(scratch, "request"), Path(scratch, "extensions")
        extensions.write_text(
            f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n"
            f"keyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n"
        )
        _openssl(
            *("req", *_NEW_KEY, "-subj", f"/CN={name}"),
            *("-keyout", str(folder / "host.key"), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-days", str(CERTIFICATE_DAYS)),
            *("-CA", str(authority / "ca.crt"), "-CAkey", str(authority / "ca.key")),
            *("-CAcreateserial", "-extfile", str(extensions), "-out", str(folder / "host.crt")),
        )
    shutil.copyfile(authority / "ca.crt", folder / "ca.crt")


def _openssl(*words: str) -> None:
    mask = os.umask(0o077)
    try:
        run = subprocess.run(
            ["openssl", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=_OPENSSL_SECONDS,
        )
    except FileNotFoundError:
        raise InvalidInput(
            "openssl was not found on PATH, and it makes the certificates. Nothing was made. "
            "On Debian or Ubuntu: apt-get install openssl"
        ) from None
    finally:
        os.umask(mask)
    if run.returncode:
        raise InvalidInput(f"openssl {words[0]} failed: {run.stderr.strip()}")
