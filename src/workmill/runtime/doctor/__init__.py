"""Look at the machine and say what stands in the service's way and what to set."""

from workmill.runtime.doctor.examination import Report, examine

__all__ = ["Report", "examine"]
