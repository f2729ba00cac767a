"""The `workmill` command, and the one place where errors end: no input shows a traceback.

Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 130 ended by Ctrl-C. The process itself is
prepared before (`workmill.__main__`): while it loads, Ctrl-C ends it at once, and to a shell that
is 130, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells say it."""


def main() -> None:
    """Run the command line with the process's arguments, and exit."""
    try:
        code = _guarded(lambda: _run(sys.argv[1:]))
    except KeyboardInterrupt:  # a second one, while the first was being told
        code = EXIT_INTERRUPTED
    if code == EXIT_INTERRUPTED:
        from workmill.cli.console import leave

        leave()
    sys.exit(code)


def _guarded(run: Callable[[], int]) -> int:
    try:
        return run()
    except KeyboardInterrupt:
        from workmill.cli.console import note

        note("Interrupted.")
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, in words
        from workmill.cli.error_messages import tell

        return tell(error)


def _run(arguments: Sequence[str]) -> int:
    from workmill.cli.console import prepare

    prepare()
    import typer

    from workmill.cli.app import app

    try:
        with typer.main.get_command(app).make_context("workmill", list(arguments)) as context:
            context.command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0
