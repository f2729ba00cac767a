"""What must be installed beside Workmill, and what to say when it is not."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from typing import Final

from workmill.cluster.plan import Programs
from workmill.domain.errors import InvalidInput

_ADMIN_PATH: Final = f"{os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"
"""Debian keeps servers where a user's PATH does not lead."""
_PACKAGES: Final = {"redis-server": "redis-server", "haproxy": "haproxy", "openssl": "openssl"}


def find_programs() -> Programs:
    """Where they are. Raises InvalidInput that says what to install."""
    found = {name: _found(name) for name in _PACKAGES}
    if missing := [name for name, path in found.items() if path is None]:
        raise InvalidInput(
            f"{' and '.join(missing)} not found, and a cluster is made of it. Nothing was started. "
            f"On Debian or Ubuntu: apt-get install {' '.join(_PACKAGES[name] for name in missing)}"
        )
    user, group = _who()
    return Programs(
        redis_server=str(found["redis-server"]),
        haproxy=str(found["haproxy"]),
        user=user,
        group=group,
    )


def _found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_ADMIN_PATH)


def _who() -> tuple[str, str]:
    try:
        return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    except KeyError as error:
        raise InvalidInput(
            f"This machine has no name for its user or group ({error}), and HAProxy needs both. "
            "Nothing was started. Run it as a user that the machine knows."
        ) from None
