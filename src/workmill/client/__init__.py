"""Client and AsyncClient, and the transport that workers and controllers use.

`steps` and `operations` say what is asked and what an answer means, without I/O; `sync_transport`
and `async_transport` carry it; `sync_client` and `async_client` are what a user holds.
"""

from workmill.client.async_client import AsyncClient, AsyncHandle
from workmill.client.sync_client import Client, Handle
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
