"""`workmill` and `python -m workmill`: prepare the process, then load the command line."""

from __future__ import annotations

from workmill.process.entry import enter_program, raise_on_interrupt


def main() -> None:
    """Run the command line: see `workmill.cli.main`."""
    enter_program()
    from workmill.cli.main import main as command_line

    raise_on_interrupt()
    command_line()


if __name__ == "__main__":
    main()
