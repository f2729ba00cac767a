"""Look at the machine and say what stands in the service's way and what to set."""

from workmill.doctor.examine import Report, examine

__all__ = ["Report", "examine"]
