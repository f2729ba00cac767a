"""`./workmill` in a checkout: it writes what has to be made, once, and otherwise nothing at all.

Python and pip are stubs here that note what they are asked for; the launcher is the real one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.processes import until

ROOT = Path(__file__).parents[3]
STRANGER = 65_534
STUB = """#!/bin/sh
[ -z "${PYTHONHOME+set}" ] || exit 9  # as Python fails when another one's home is in it
[ "${PYTHONPATH-/far}" = /far ] || exit 8  # an empty item is a directory that nobody has named
case "$*" in
*"-m venv "*) mkdir -p "$3/bin" "$3/lib"; cp "$0" "$3/bin/python" ;;
*"-m pip --version"*) test ! -e "$(dirname "$0")/no-pip" ;;
*"-m pip "*) echo "$*" >>"$NOTES"; test ! -e "$NOTES.hold" || sleep 600 ;;
*"-m workmill"*) shift 3; echo "ran $*" ;;
esac
"""


class Checkout:
    """A copy of what the launcher reads, and stubs for what it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.notes = folder / "notes"
        self.stubs = folder / "bin"
        self.stubs.mkdir(parents=True)
        stub = self.stubs / "python3"
        stub.write_text(STUB)
        stub.chmod(0o755)
        for name in ("workmill", "scripts/venv"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("requirements.lock", "pyproject.toml", "setup.py", "src/kernel.c"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_text(name)

    def start(
        self, *, user: int | None = None, path: str = "", launcher: str = "workmill"
    ) -> subprocess.Popen[str]:
        environment = {
            "NOTES": str(self.notes),
            "PATH": f"{path or self.stubs}:/usr/bin:/bin",
            "PYTHONHOME": "/another",
            "PYTHONPATH": "::/far:",
        }
        return subprocess.Popen(
            [str(self.folder / launcher), "a b", "$c"],
            env=environment,
            user=user,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def run(self, **options: object) -> tuple[int, str, str]:
        process = self.start(**options)  # type: ignore[arg-type]
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def installs(self) -> int:
        """How often packages were installed."""
        return self.notes.read_text().count("--require-hashes") if self.notes.exists() else 0

    def snapshot(self) -> dict[str, int]:
        return {str(file): file.lstat().st_mtime_ns for file in self.folder.rglob("*")}


SILENT = (0, "ran a b $c\n", "")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that other users may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="launcher-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def checkout(folder: Path) -> Checkout:
    """One that was prepared."""
    made = Checkout(folder)
    assert made.run()[:2] == SILENT[:2]
    return made


def test_a_prepared_checkout_is_run_without_a_write(checkout: Checkout) -> None:
    """No lock, no stamp, no word."""
    before = checkout.snapshot()
    assert checkout.run() == SILENT
    assert checkout.snapshot() == before
    assert checkout.installs == 1


@pytest.mark.skipif(os.getuid() != 0, reason="to become another user takes root")
def test_another_user_runs_a_prepared_checkout(checkout: Checkout) -> None:
    """Silently, with or without a compiler on the path. After a change it is said who must act."""
    assert checkout.run(user=STRANGER) == SILENT
    (checkout.folder / "src/kernel.c").write_text("changed")
    code, out, err = checkout.run(user=STRANGER)
    assert (code, out) == (1, "")
    assert "you may not write there. Nothing was changed." in err
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize("name", ["a b", "it's", 'say "x"', "ü", "-n", "a&b;c", "*", "#1%20"])
def test_any_name_of_a_directory_will_do(folder: Path, name: str) -> None:
    """A changed kernel is built anew there, too."""
    made = Checkout(folder / name)
    code, out, err = made.run()
    assert (code, out) == SILENT[:2]
    assert len(err.splitlines()) == 1
    assert made.run() == SILENT
    (made.folder / "src/kernel.c").write_text("changed")
    assert made.run()[:2] == SILENT[:2]
    assert made.installs == 2


@pytest.mark.parametrize("name", ["a:b", "$HOME", "{x}", "a\nb"])
def test_names_that_packaging_tools_cannot_have_are_refused(folder: Path, name: str) -> None:
    """Before anything is made, with the reason."""
    made = Checkout(folder / name)
    before = made.snapshot()
    code, out, err = made.run()
    assert (code, out) == (1, "")
    assert "Nothing was changed. Move the checkout elsewhere." in err
    assert made.snapshot() == before


def test_a_link_to_the_launcher_runs_it(checkout: Checkout) -> None:
    """From ~/bin, for one."""
    link = checkout.folder / "elsewhere"
    link.symlink_to("workmill")
    assert checkout.run(launcher="elsewhere") == SILENT


def test_a_checkout_that_was_moved_is_set_up_anew(checkout: Checkout) -> None:
    """An environment has its own place written into it."""
    (checkout.folder / ".venv" / "stale").touch()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved"))
    assert checkout.run()[:2] == SILENT[:2]
    assert checkout.installs == 2
    assert not (checkout.folder / ".venv" / "stale").exists()
    assert checkout.run() == SILENT


def test_a_set_up_that_was_interrupted_is_repaired(folder: Path) -> None:
    """kill -9 while packages are installed, or before pip is there: the next run begins anew."""
    made = Checkout(folder)
    hold = made.notes.with_name("notes.hold")
    hold.touch()
    process = made.start()
    until(lambda: made.installs)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    hold.unlink()
    (made.folder / ".venv/bin/no-pip").touch()
    assert made.run()[:2] == SILENT[:2]
    assert made.installs == 2
    assert made.run() == SILENT


def test_first_runs_at_the_same_time_take_turns(folder: Path) -> None:
    """One sets up, the others wait for it and find it done."""
    made = Checkout(folder)
    runs = [made.start() for _ in range(4)]
    ended = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    assert [out for out, _ in ended] == [SILENT[1]] * 4
    assert made.installs == 1


def test_a_compiler_that_was_installed_since_is_used(folder: Path) -> None:
    """Set up without one it computes slowly; whoever installs one gets the kernel."""
    made = Checkout(folder)
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "find", "sort", "sed", "readlink", "dirname", "mkdir"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name in ("rm", "mv", "cp", "flock", "test"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").symlink_to(made.stubs / "python3")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [made.folder / "workmill"],
            env={"NOTES": str(made.notes), "PATH": str(tools)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    assert "Setting up" in run().stderr
    assert run().stderr == ""
    (tools / "gcc").symlink_to("/bin/true")
    assert "Setting up" in run().stderr
    assert run().stderr == ""
    (tools / "gcc").unlink()
    assert run().stderr == ""


def test_what_another_lock_put_there_stays(checkout: Checkout) -> None:
    """The gate and the launcher share `.venv`, and a service that runs from it goes on."""
    mine = checkout.folder / ".venv/lib/of-the-first-lock"
    mine.write_text("in use")
    (checkout.folder / "requirements-dev.lock").write_text("more")
    subprocess.run(
        [str(checkout.folder / "scripts/venv"), ".venv", "requirements-dev.lock"],
        cwd=checkout.folder,
        env={"NOTES": str(checkout.notes), "PATH": f"{checkout.stubs}:/usr/bin:/bin"},
        check=True,
    )
    assert mine.exists()
    assert checkout.installs == 2
    assert checkout.run() == SILENT


UV = """#!/bin/sh
for word; do
    case $word in # as uv does while it installs into an environment: nobody else may hold this
    */bin/python) flock -n "${word%%/bin/python}/.lock" true || exit 9 ;;
    esac
done
echo "uv $*" >>"$NOTES"
echo "a package went by"
exit %d
"""


@pytest.mark.parametrize(("code", "tools"), [(0, ["uv"]), (2, ["uv", "pip"])])
def test_uv_installs_the_same_lock_where_it_is_there(
    folder: Path, code: int, tools: list[str]
) -> None:
    """With the same hashes; pip takes over where uv cannot. What either says is no output."""
    made = Checkout(folder)
    uv = made.stubs / "uv"
    uv.write_text(UV % code)
    uv.chmod(0o755)
    assert made.run()[:2] == SILENT[:2]
    asked = [line for line in made.notes.read_text().splitlines() if "--require-hashes" in line]
    assert [("uv" if line.startswith("uv pip install") else "pip") for line in asked] == tools
    assert all(line.endswith("--require-hashes -r requirements.lock") for line in asked)
    assert made.run() == SILENT
