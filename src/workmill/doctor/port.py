"""The port: free, held by a service that is well, or held by something else."""

from __future__ import annotations

from typing import Final

import httpx

from workmill.doctor.finding import Finding
from workmill.domain.errors import Unavailable
from workmill.endpoint.listener import listen
from workmill.wire import paths

ANSWER_SECONDS: Final = 3.0


def service(host: str, port: int) -> Finding:
    """Who is on the port."""
    name, figures = "port", {"port": port}
    try:
        listen(host, port).close()
    except Unavailable as error:
        taken = error.detail
    else:
        return Finding(
            name=name, verdict="good", said=f"{port} on {host} is free.", figures=figures
        )
    url = f"http://{host}:{port}"
    try:
        with httpx.Client(base_url=url, timeout=ANSWER_SECONDS, trust_env=False) as client:
            alive, ready = client.get(paths.HEALTHZ), client.get(paths.READYZ)
    except httpx.HTTPError:
        return Finding(name=name, verdict="mend", said=taken, figures=figures)
    if alive.status_code != 200:
        said = f"{url} answers, but not as Workmill does."
        advice = "Stop what holds it, or choose another port with --port."
        return Finding(name=name, verdict="mend", said=said, advice=advice, figures=figures)
    if ready.status_code != 200:
        said = f"the service at {url} lives but is not ready: {ready.text[:200]}"
        advice = "Its log says why."
        return Finding(name=name, verdict="mend", said=said, advice=advice, figures=figures)
    said = f"a service answers at {url}, alive and ready."
    return Finding(name=name, verdict="good", said=said, figures=figures)
