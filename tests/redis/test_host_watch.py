"""The watch beside a data server keeps what endpoints may not read, and therefore rely on."""

from __future__ import annotations

import pytest
from tests.redis_servers import RedisServer

from workmill.runtime.redis_hosts.plan import Passwords, Plan, hosts_at
from workmill.runtime.redis_hosts.rendering import HostSettings
from workmill.runtime.redis_hosts.server import Server
from workmill.runtime.redis_hosts.watching import keep_log
from workmill.store.redis.connection import Connection

PLAN = Plan(
    hosts=hosts_at(["127.0.0.2", "127.0.0.3", "127.0.0.4"]),
    passwords=Passwords(endpoint="e", replication="r", sentinel="s", deploy="d"),
)


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [("appendfsync", "everysec", b"always"), ("no-appendfsync-on-rewrite", "yes", b"no")],
)
def test_a_setting_of_the_log_is_set_right_again(
    plain: RedisServer,
    setting: str,
    value: str,
    right: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """And said once, with its name. A server that is set right is left alone."""
    monkeypatch.setattr(Server, "_connected", lambda _: Connection(plain.node, plain.access))
    settings = HostSettings(host=PLAN.hosts[0], plan=PLAN)
    server = Server(settings, settings.host)
    plain.ask("CONFIG", "SET", setting, value)
    for _ in range(2):
        now = server.look()
        assert now is not None
        keep_log(server, settings, now)
    assert plain.ask("CONFIG", "GET", setting)[1] == right
    said = capfdbinary.readouterr().err
    assert said.count(b'"redis.log_mended"') == 1
    assert b'"settings":"%s"' % setting.encode() in said
    server.close()
