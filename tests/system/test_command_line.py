"""The command line against a whole service: what scripts read, and what people read."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.system.processes import WORKMILL, Up, run
from tests.system.service_definition import value_of


def test_a_script_reads_json_at_every_step(service: Up, tmp_path: Path) -> None:
    """submit, job, jobs, pull and status speak JSON that fits together."""
    file = tmp_path / "data"
    file.write_bytes(b"json")
    job_id = str(uuid.uuid4())
    submit = ("submit", str(file), "-n", "700", "--id", job_id)
    assert service.json(*submit)["id"] == job_id
    ended = service.json("job", job_id, "--wait")
    assert (ended["status"], ended["value"]) == ("done", value_of(b"json", 700))
    assert service.json(*submit, "--wait")["id"] == job_id  # a repeat is harmless
    assert job_id in [job["id"] for job in service.json("jobs", "--status", "done")]
    assert {"id": job_id, "value": ended["value"]} in service.json("pull", "--top", "1000")
    status = service.json("status")
    assert status["service"]["workers"] == 2
    assert status["service"]["stats"]["submitted_total"] >= 1
    assert {node["role"] for node in status["nodes"]} == {"endpoint", "worker", "controller"}
    (place,) = {node["serves"] for node in status["nodes"] if node["serves"]}
    assert service.url == f"http://{place}"


def test_a_person_reads_words(service: Up) -> None:
    """The same commands say it in lines without --json."""
    job_id = service.said("submit", "-", "-n", "10", stdin=b"words").strip()
    assert service.said("job", job_id, "--wait").strip() == value_of(b"words", 10)
    assert "done, waiting" in service.said("job", job_id)
    assert job_id in service.said("jobs")
    status = service.said("status")
    assert "workers  2" in status
    assert service.url.removeprefix("http://") in status


def test_a_cancelled_job_ends_without_a_value(service: Up) -> None:
    """cancel ends it, and waiting for it then fails with words; what is done stays done."""
    job_id = service.said("submit", "-", "-n", "1000000000", stdin=b"cancel").strip()
    assert job_id in service.said("cancel", job_id)
    waited = service.cli("job", job_id, "--wait")
    assert waited.returncode == 1
    assert b"cancelled" in waited.stderr
    done_id = service.json("submit", "-", "-n", "10", "--wait", stdin=b"done")["id"]
    others = [
        service.said("submit", "-", "-n", "1000000000", stdin=b"cancel %d" % n).strip()
        for n in range(2)
    ]
    several = service.cli("cancel", others[0], done_id, others[1])
    assert several.returncode == 1
    assert several.stdout.decode().split("\n")[:2] == [f"Job {one} is cancelled." for one in others]
    assert f"The job {done_id} has ended already" in several.stderr.decode()
    assert service.json("job", done_id)["status"] == "done"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("job", "00000000-0000-7000-8000-000000000000"), 1, "no such"),
        (("job", "nonsense"), 1, "not a UUID"),
        (("submit", "-", "-n", str(10**11)), 1, "iterations"),
        (("submit", "-", "-n", "0"), 2, "--iterations"),
        (("submit", "/no/such/file", "-n", "1"), 2, "can be read"),
        (("pull", "--top", "0"), 2, "--top"),
        (("status", "--key-file", "/no/such/file"), 1, "cannot be read"),
    ],
)
def test_mistakes_get_words_and_an_exit_code(
    service: Up, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    """Refused: exit 1. Used wrongly: exit 2. Never a traceback, nothing on standard output."""
    done = service.cli(*arguments)
    assert done.returncode == exit_code
    assert words.lower() in " ".join(done.stderr.decode().split()).lower()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_the_environment_names_the_service(service: Up) -> None:
    """WORKMILL_URL stands in for --url."""
    done = subprocess.run(
        [*WORKMILL, "status", "--json"],
        env={**os.environ, "WORKMILL_URL": service.url},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["service"]["workers"] == 2


def test_results_that_were_not_printed_come_back(service: Up) -> None:
    """pull acknowledges only what it has printed: with its output closed, nothing is lost."""
    job_id = service.said("submit", "-", "-n", "20", "--wait", "--json", stdin=b"come back")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*WORKMILL, "pull", "--top", "1000", "--url", service.url],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode == 1
    assert service.json("job", json.loads(job_id)["id"])["delivery"] == "under receipt"


def test_the_doctor_examines_a_running_service(service: Up, tmp_path: Path) -> None:
    """doctor knows a service that answers, and a data directory that cannot be had."""
    port = service.url.rpartition(":")[2]
    done = run("doctor", "--json", "--port", port, "--data", str(tmp_path))
    report = json.loads(done.stdout)
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert done.returncode == (0 if report["healthy"] else 1)
    assert "alive and ready" in findings["port"]["said"]
    assert findings["kernel"]["figures"]["ratio"] > 0
    assert findings["sqlite"]["verdict"] == "good"
