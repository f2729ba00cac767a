"""The HTTP service: parse, call one store verb, reply.

A request's way: `app` finds its call in `routes` and checks the key; a handler (`enqueue`,
`batch`, `results`, `jobs`, `work`, `nodes`, `events`, `files`, `health`, `pages`) reads its
`params` and `body` and asks the `committer`, whose thread owns the store and commits in
groups. `watch` and `idle` look after those who wait, `pulse` after the figures.
"""

from workmill.endpoint.server import Endpoint, serve
from workmill.endpoint.settings import EndpointSettings, check_exposure

__all__ = ["Endpoint", "EndpointSettings", "check_exposure", "serve"]
