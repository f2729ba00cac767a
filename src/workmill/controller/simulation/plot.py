"""A simulation as a picture: an SVG of lines, written by hand so that nothing must be installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final

from workmill.controller.simulation.report import Courses, Report
from workmill.controller.simulation.service_model import Moment

WIDTH: Final = 960
PANEL_HEIGHT: Final = 220
MARGIN: Final = 64
LEGEND_LINE: Final = 18
MAX_POINTS: Final = 900
"""Of one line: more than the picture has columns would not be seen."""
COLOURS: Final = ("#0b6e4f", "#d1495b", "#edae49", "#8d6a9f", "#30638e", "#7d8597")

Reader = Callable[[Moment], int]


def svg(report: Report, courses: Courses) -> str:
    """Workers above, waiting jobs below, a line for each rule, time in minutes."""
    legend_top = 2 * (PANEL_HEIGHT + MARGIN) + MARGIN
    height = legend_top + LEGEND_LINE * len(courses) + MARGIN // 2
    title = f"{report.shape}: {report.text} (seed {report.seed}, {report.jobs:,} jobs)"
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(MARGIN, MARGIN // 2, title, "font-size='15'"),
        *_panel("workers", MARGIN, courses, lambda moment: moment.workers),
        *_panel("jobs waiting", PANEL_HEIGHT + 2 * MARGIN, courses, lambda moment: moment.queued),
        *_legend(legend_top, report),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(name: str, top: int, courses: Courses, read: Reader) -> Iterator[str]:
    most = max(1, *(read(moment) for moments in courses.values() for moment in moments))
    last = max(1.0, *(moments[-1].at_seconds for moments in courses.values()))
    bottom, right = top + PANEL_HEIGHT, WIDTH - MARGIN // 2
    yield f'<path d="M{MARGIN} {top}V{bottom}H{right}" fill="none" stroke="#333"/>'
    yield _text(MARGIN, top - 8, name)
    yield _text(MARGIN - 8, top + 4, f"{most:,}", "text-anchor='end'")
    yield _text(MARGIN - 8, bottom, "0", "text-anchor='end'")
    yield _text(right, bottom + 18, f"{last / 60:.0f} min", "text-anchor='end'")
    for colour, moments in zip(COLOURS, courses.values(), strict=False):
        points = " ".join(
            f"{MARGIN + (right - MARGIN) * moment.at_seconds / last:.1f},"
            f"{bottom - PANEL_HEIGHT * read(moment) / most:.1f}"
            for moment in _thinned(moments, read)
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _thinned(moments: Sequence[Moment], read: Reader) -> list[Moment]:
    """Of each stretch the highest point: no peak is left out."""
    stretch = max(1, len(moments) // MAX_POINTS)
    return [
        max(moments[start : start + stretch], key=read) for start in range(0, len(moments), stretch)
    ]


def _legend(top: int, report: Report) -> Iterator[str]:
    for place, (colour, one) in enumerate(zip(COLOURS, report.figures, strict=False)):
        y = top + LEGEND_LINE * place
        yield f'<rect x="{MARGIN}" y="{y - 9}" width="24" height="4" fill="{colour}"/>'
        words = (
            f"{one.rule}: p99 wait {one.p99_wait_seconds:,.1f} s, "
            f"{one.worker_seconds:,} worker-seconds, at most {one.most_workers:,} workers"
        )
        yield _text(MARGIN + 36, y, words)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(words)}</text>'
