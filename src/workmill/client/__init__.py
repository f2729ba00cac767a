"""Client and AsyncClient, and the transport that workers and controllers use.

`core` and `operations` say what is asked and what an answer means, without I/O; `transport` and
`async_transport` carry it; `client` and `async_client` are the faces.
"""

from workmill.client.async_client import AsyncClient, AsyncHandle
from workmill.client.client import Client, Handle
from workmill.client.values import Data, Finished, Progress, PulledBatch, Work

__all__ = [
    "AsyncClient",
    "AsyncHandle",
    "Client",
    "Data",
    "Finished",
    "Handle",
    "Progress",
    "PulledBatch",
    "Work",
]
