"""Virtual time for the scaling policy: shapes of load, a model of the workers, rules to compare."""

from workmill.controller.simulation.plot import svg
from workmill.controller.simulation.report import Report, simulate

__all__ = ["Report", "simulate", "svg"]
