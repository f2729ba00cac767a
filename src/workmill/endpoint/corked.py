"""A reply leaves in one write: its head waits for the body behind it.

uvicorn writes head and body one after the other, and uvloop sends each at once. That is two
calls of the system for us, and for the caller two packets to wake up for.
"""

from __future__ import annotations

import asyncio


class CorkedTransport:
    """As much of a transport as an HTTP connection uses, with writes joined in pairs.

    What is written is held until the next write, and no longer than the loop's turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Send `data`, now or by the end of the loop's turn."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        else:
            self._held = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what is held and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(self._held)
            self._held = b""
