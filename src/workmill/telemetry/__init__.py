"""One verb for every role, `emit(event, **fields)`: the only place that formats logs. What a loop
meets again and again is told through `Incident` (it has an end) or `emit_rarely`."""

from workmill.telemetry.log import emit
from workmill.telemetry.outage_log import Incident
from workmill.telemetry.repeated_events import emit_rarely

__all__ = ["Incident", "emit", "emit_rarely"]
