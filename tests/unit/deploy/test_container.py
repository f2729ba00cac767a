"""The image in deploy/container/, as far as a machine without Docker can judge it: linted, its
files there, its package built from what it copies."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTAINER = ROOT / "deploy" / "container"
DOCKERFILE = CONTAINER / "Dockerfile"
UID = "10001"


def instructions() -> list[tuple[str, str]]:
    """Each with what follows it, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def last_stage() -> list[tuple[str, str]]:
    """What the image is."""
    told = instructions()
    begins = max(index for index, (word, _) in enumerate(told) if word == "FROM")
    return told[begins:]


def copied() -> list[str]:
    """What is taken from the checkout."""
    taken = [rest.split()[:-1] for word, rest in instructions() if word == "COPY"]
    return [path for paths in taken if not paths[0].startswith("--from") for path in paths]


def let_through() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return {line.removeprefix("!") for line in lines if line.startswith("!")}


def test_a_linter_finds_nothing() -> None:
    """hadolint knows Docker's words, and what goes wrong with them."""
    lint = Path(sys.executable).with_name("hadolint")
    run = subprocess.run(
        [str(lint), str(DOCKERFILE)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_what_it_copies_is_there_and_nothing_else_gets_in() -> None:
    """The context is a list of what may be copied: no key, no secrets, no history."""
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert set(copied()) == let_through()
    assert [path for path in copied() if not (ROOT / path).exists()] == []


def test_what_it_copies_is_enough_to_build_the_package(tmp_path: Path) -> None:
    """pyproject.toml names files that the build reads."""
    for path in copied():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_file():
            shutil.copy(ROOT / path, place)
        else:
            shutil.copytree(ROOT / path, place, ignore=shutil.ignore_patterns("*.so", "*.egg-info"))
    backend = "import setuptools.build_meta as b; print(b.prepare_metadata_for_build_wheel('.'))"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", backend],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    made = tmp_path / run.stdout.split()[-1]
    assert "A durable work queue" in (made / "METADATA").read_text()
    assert (made / "licenses" / "LICENSE").exists()


def test_it_runs_as_nobody_and_writes_to_its_volume_only() -> None:
    """By number, so that Kubernetes can see that it is not root; nothing is installed at run time,
    and no compiler comes along."""
    stage = last_stage()
    told = dict(stage)
    assert told["USER"] == f"{UID}:{UID}"
    assert told["WORKDIR"] == told["VOLUME"] == "/data"
    (run,) = [rest for word, rest in stage if word == "RUN"]
    assert "pip uninstall" in run
    assert not re.search(r"apt|pip install|gcc", run)
    assert "PYTHONDONTWRITEBYTECODE=1" in told["ENV"]


def test_the_kernel_is_compiled_before() -> None:
    """setup.py leaves it out in silence where there is no compiler: so the build asks for it."""
    build = " ".join(rest for word, rest in instructions() if word == "RUN")
    assert "gcc" in build
    assert 'python -c "import workmill.workloads.sha512._chains"' in build
    assert "--require-hashes -r requirements.lock" in build


def test_the_chart_runs_it_as_it_is_made() -> None:
    """The same user, and a program that it has on its PATH."""
    for name in ("endpoints", "workers"):
        template = (ROOT / f"deploy/helm/workmill/templates/{name}.yaml").read_text()
        assert f"runAsUser: {UID}, runAsGroup: {UID}" in template
        assert "command: [workmill, " in template
    assert dict(last_stage())["ENTRYPOINT"] == '["workmill"]'
    assert "deploy/container/Dockerfile" in (ROOT / "deploy/helm/workmill/values.yaml").read_text()


@pytest.fixture
def answering() -> Iterator[http.server.HTTPServer]:
    """Somebody who says that /healthz is well, and nothing else."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def health(folder: Path, *words: str) -> int:
    """The check's exit code, where the container's first process has this command line."""
    (folder / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
    program = (CONTAINER / "healthy.py").read_text()
    place = folder / "healthy.py"
    place.write_text(program.replace("/proc/1/cmdline", str(folder / "cmdline")))
    run = subprocess.run([sys.executable, "-P", str(place)], check=False, timeout=60)
    return run.returncode


def test_health_is_the_roles_own(answering: http.server.HTTPServer, tmp_path: Path) -> None:
    """An endpoint is asked at its port, also behind an init; a worker has no door."""
    port, nobody = str(answering.server_port), "9"
    assert health(tmp_path, "python", "workmill", "endpoint", "--port", port) == 0
    assert health(tmp_path, "docker-init", "--", "workmill", "up", f"--port={port}") == 0
    assert health(tmp_path, "python", "workmill", "endpoint", "--port", nobody) == 1
    assert health(tmp_path, "python", "workmill", "worker", "--url", "http://mill:5000") == 0
