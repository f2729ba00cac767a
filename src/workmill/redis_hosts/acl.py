"""Who may do what on a data server and on a Sentinel, as data.

Theory. Redis checks the permissions of the caller for every command that a function calls, and
for every key that it names, not only for those given to FCALL. So an endpoint needs the data
commands that the store's functions use, and nothing keeps it from calling one of them directly;
it has no others, and only the keys under its tag. A test compares `DATA_COMMANDS` with the
functions themselves.

AUTH, HELLO, QUIT and RESET are open to all users by Redis itself. Passwords are kept as SHA-256.

`default` is off and has no password, so nobody can be it. On a data server it keeps its rights all
the same: Redis reads its own log back as that user, and a transaction that `default` may not do
(every function that writes twice is one) is left out, with a line in the log and no error. A
`default` without rights loses everything at the next restart; a test restarts a primary.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from workmill.redis_hosts.plan import Passwords, Plan
from workmill.store.redis.lua_library import COMMANDS
from workmill.store.redis.open_store import TAG

DATA_COMMANDS: Final = COMMANDS


DEFAULT_OFF: Final = "user default off resetpass ~* &* +@all"
DEFAULT_OFF_AND_BARE: Final = "user default off resetpass resetkeys resetchannels -@all"


class User(NamedTuple):
    """One line of an ACL file; `keys` and `channels` are patterns, most users have none."""

    name: str
    commands: tuple[str, ...]
    keys: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


REPLICATION: Final = User("replication", ("psync", "replconf", "ping"))
"""What a replica says to its primary."""

SENTINEL: Final = User(
    "sentinel",
    (
        *("ping", "info", "role", "subscribe", "publish", "client|setname"),
        *("multi", "slaveof|no", "config|rewrite", "client|kill", "exec"),
    ),
    channels=("__sentinel__:hello",),
)
"""What a Sentinel says to a data server: watching it, and the one transaction that promotes it.
Configuration is read-only to the server, so REWRITE fails, as it should; but a refused command
would break the transaction. So does SLAVEOF with the name of a server, which is not allowed: the
watch turns servers round, `rules` says why."""

DEPLOY: Final = User(
    "deploy",
    (
        *("ping", "info", "role", "dbsize", "config|get", "config|set", "acl|load", "acl|log"),
        *(
            "acl|getuser",
            "client|list",
            "client|kill",
            "slowlog|get",
            "latency|latest",
            "bgrewriteaof",
        ),
        *("function|list", "function|stats", "function|kill", "function|delete", "replicaof"),
    ),
)
"""People, the start of a host, and the watch that turns it round. No key can be read with it."""

ENDPOINT: Final = User(
    "endpoint",
    (
        *("ping", "role", "wait", "info"),
        *("fcall", "fcall_ro", "function|list", "function|load"),
        *DATA_COMMANDS,
    ),
    keys=(f"{TAG}*",),
)
"""The store's functions, on its own keys."""

SENTINELS_ENDPOINT: Final = User("endpoint", ("ping", "sentinel|master", "sentinel|replicas"))
SENTINELS_PEER: Final = User(
    "sentinel",
    ("ping", "publish", "sentinel|is-master-down-by-addr", "client|setname"),
    channels=("__sentinel__:hello",),
)
SENTINELS_DEPLOY: Final = User(
    "deploy",
    (
        *("ping", "info", "acl|load", "acl|log", "sentinel|get-master-addr-by-name"),
        *("sentinel|masters", "sentinel|master", "sentinel|replicas", "sentinel|sentinels"),
        *("sentinel|ckquorum", "sentinel|failover", "sentinel|reset"),
    ),
)


def data_server_acl(plan: Plan) -> str:
    """`users.acl` of every data server."""
    users = (ENDPOINT, REPLICATION, SENTINEL, DEPLOY)
    return _acl(DEFAULT_OFF, users, plan.passwords)


def sentinel_acl(plan: Plan) -> str:
    """`sentinel-users.acl` of every Sentinel, which keeps no log of its own."""
    users = (SENTINELS_ENDPOINT, SENTINELS_PEER, SENTINELS_DEPLOY)
    return _acl(DEFAULT_OFF_AND_BARE, users, plan.passwords)


def _acl(default: str, users: tuple[User, ...], passwords: Passwords) -> str:
    lines = [default, *(_line(user, getattr(passwords, user.name)) for user in users)]
    return "".join(f"{line}\n" for line in lines)


def _line(user: User, password: str) -> str:
    words = ["on", "#" + hashlib.sha256(password.encode()).hexdigest(), "resetkeys"]
    words += [f"~{pattern}" for pattern in user.keys]
    words += ["resetchannels", *(f"&{pattern}" for pattern in user.channels)]
    words += ["-@all", *(f"+{command}" for command in user.commands)]
    return f"user {user.name} {' '.join(words)}"
