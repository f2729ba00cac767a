"""Every variant of the kernel on one core, against the plain Python loop and OpenSSL's blocks.

What is compared and how is in `workmill.workloads.sha512.bench`; `workmill bench kernel` prints
the same figures on an installed system.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.report import Figure, Report
from workmill.workloads.sha512.bench import PAIRS, KernelFigures, measure


def report_of(figures: KernelFigures) -> Report:
    """Ratios are against the hashlib loop, except where the name says otherwise."""
    report = Report("kernel", f"one core, medians of {figures.pairs} alternating pairs")
    report.figures += [
        Figure("hashlib loop", figures.hashlib_hz, "iterations/s"),
        Figure("one chain", figures.one_chain_hz, "iterations/s", figures.one_chain_times_hashlib),
    ]
    if figures.openssl_hz:
        report.figures.append(Figure("OpenSSL blocks", figures.openssl_hz, "iterations/s"))
    for name, variant in figures.variants.items():
        lanes = f"{name}, {variant.lanes} lanes"
        report.figures.append(Figure(lanes, variant.hz, "iterations/s", variant.times_hashlib))
        if variant.times_openssl:
            against = f"{name} against OpenSSL"
            report.figures.append(
                Figure(against, variant.hz, "iterations/s", variant.times_openssl)
            )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench kernel", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    report_of(measure(asked.pairs)).show(asked.json)


if __name__ == "__main__":
    main()
