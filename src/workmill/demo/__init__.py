"""A play in four acts that shows what the service does and checks every value of it."""

from workmill.demo.acts import Play, Show, Verdict
from workmill.demo.private_service import private_service

__all__ = ["Play", "Show", "Verdict", "private_service"]
