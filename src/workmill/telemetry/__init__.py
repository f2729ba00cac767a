"""One verb for every role, `emit(event, **fields)`: the only place that formats logs."""

from workmill.telemetry.events import emit

__all__ = ["emit"]
