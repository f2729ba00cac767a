"""The three hosts of the store on this machine: files, founding, and when they are in step."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from workmill.cluster.plan import ClusterPlan, host_plan
from workmill.domain.errors import InvalidInput
from workmill.redis_hosts.certificates import make_authority
from workmill.redis_hosts.plan import Plan
from workmill.redis_hosts.prepare import prepare_client, prepare_host
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.readiness import can_fail_over
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.start import FOUNDING, IN_STEP, read_settings

LOOK_SECONDS: Final = 0.3


def founded_plan(folder: Path) -> Plan | None:
    """The plan of the store that is in this directory, when there is one: it keeps its ports."""
    first = folder / "redis-1"
    return read_settings(first).plan if (first / "host.json").exists() else None


def prepare_store(plan: ClusterPlan) -> None:
    """Write every host's files, certificates anew; a store that never was in step is founded."""
    folder, hosts = plan.store_folder, plan.store.hosts
    make_authority(folder / "ca", "workmill cluster")
    for host in hosts:
        prepare_host(folder, host_plan(plan, host), host)
        _give_sentinel(folder / host.name)
    prepare_client(folder, plan.store, str(folder / "endpoint"))
    data = [folder / host.name / "data" for host in hosts]
    if not any((one / IN_STEP).exists() for one in data):
        (data[0] / FOUNDING).touch()


def _give_sentinel(host: Path) -> None:
    """Its own copy of its configuration, which the first start makes, as its unit does."""
    own = host / "sentinel" / "sentinel.conf"
    if not own.exists() or own.stat().st_size == 0:
        half = own.with_name("sentinel.conf.new")  # a full disk must not leave a part as the whole
        shutil.copyfile(host / "sentinel.conf", half)
        half.chmod(0o600)
        half.replace(own)
    elif f"{host}/" not in own.read_text():
        raise InvalidInput(
            f"The store in {host.parent} was made in another place, which its Sentinels have "
            "written down. Nothing was started, nothing was changed. Move it back there."
        )


def host_settings(plan: ClusterPlan) -> HostSettings:
    """As the first host knows itself and the others."""
    first = plan.store.hosts[0]
    return HostSettings(host=first, plan=host_plan(plan, first))


async def until_in_step(plan: ClusterPlan) -> None:
    """Return once one host is the primary, and the others have all it has and can take its place.
    Waits for ever."""
    asking = Asking(host_settings(plan))
    try:
        while not await asyncio.to_thread(can_fail_over, asking, plan.store):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        asking.close()
