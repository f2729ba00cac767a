"""`workmill up` as a whole: it serves, heals, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.system.processes import Up, gone, run, until
from tests.system.service_definition import value_of


def test_bytes_in_iterated_sha512_out(service: Up) -> None:
    """What a plain PUT submits, labelled as curl does, and what the command line submits is
    computed and pulled."""
    connection = HTTPConnection(service.url.removeprefix("http://"), timeout=30)
    label = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("PUT", "/enqueue?iterations=1000", b"some data", label)
    by_curl = json.loads(connection.getresponse().read())["id"]
    connection.close()
    by_cli = service.said("submit", "-", "--iterations", "500", stdin=b"other data").strip()
    expected = {by_curl: value_of(b"some data", 1000), by_cli: value_of(b"other data", 500)}
    for job_id, value in expected.items():
        assert service.said("job", job_id, "--wait").strip() == value
    pulled = dict(line.split() for line in service.said("pull", "--top", "1000").splitlines())
    assert expected.items() <= pulled.items()
    assert not expected.keys() & dict(
        line.split() for line in service.said("pull", "--top", "1000").splitlines()
    )


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """kill -9 of the only worker in the middle of its work: another one takes its place."""
    with Up(tmp_path, workers=1) as up, up.client() as client:
        held = client.submit(b"held", 10**9)
        until(lambda: client.job(held.id).status == "leased")
        up.kill("worker")
        assert client.submit(b"next", 5000).result(60).hex() == value_of(b"next", 5000)


def test_a_killed_endpoint_is_replaced_on_its_port(tmp_path: Path) -> None:
    """kill -9 of the endpoint under load: same port, and every acknowledged job finishes right."""
    with Up(tmp_path) as up, up.client() as client:
        works = {b"job %d" % n: 20_000 + n for n in range(60)}
        first = [client.submit(data, count) for data, count in list(works.items())[:30]]
        up.kill("endpoint")
        rest = [client.submit(data, count) for data, count in list(works.items())[30:]]
        values = [handle.result(60).hex() for handle in first + rest]
        assert values == [value_of(data, count) for data, count in works.items()]
        assert up.process.poll() is None


def test_a_directory_that_vanishes_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """In an empty store every job would be one that never was. Put back, it is served again."""
    aside = tmp_path / "aside"
    with Up(tmp_path) as up, up.client() as client:
        data = up.data
        kept = client.submit(b"kept", 10).result(60)
        job_id = next(client.jobs()).id
        data.rename(aside)
        until(lambda: "is not there any more" in up.log.read_text())
        assert not data.exists(), "what is moved back would land inside of it"
        aside.rename(data)
        assert client.result(job_id, 60) == kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_drains_and_leaves_no_process(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C: the work in hand goes back with its checkpoint, exit 0, every process is gone. A
    terminal that is closed says it twice, once by itself and once by its shell."""
    with Up(tmp_path) as up:
        with up.client() as client:
            handle = client.submit(b"endless", 10**9)
            checkpoint = until(lambda: (done := client.job(handle.id).done) > 1 and done)
        pids = up.tree()
        assert len(pids) >= 4  # supervisor, endpoint, two workers and what they compute in
        if number == signal.SIGHUP:
            os.killpg(up.process.pid, number)
            until(lambda: "up.draining" in up.log.read_text())
        assert up.stop(number) == 0
        assert all(gone(pid) for pid in pids)
    with Up(tmp_path, workers=0) as again, again.client() as client:
        job = client.job(handle.id)
        assert (job.status, job.attempts) == ("queued", 0)
        assert job.done >= checkpoint


def test_a_killed_supervisor_leaves_no_process(tmp_path: Path) -> None:
    """kill -9 of `workmill up` itself: its children notice and drain."""
    with Up(tmp_path) as up:
        pids = up.tree()
        os.kill(up.process.pid, signal.SIGKILL)
        assert up.process.wait(10) == -signal.SIGKILL
        until(lambda: all(gone(pid) for pid in pids))


def test_it_does_not_open_itself_to_strangers(tmp_path: Path) -> None:
    """Beyond loopback without a key nothing starts, and the refusal says what to do."""
    refused = run("up", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path))  # noqa: S104
    assert refused.returncode == 1
    assert b"--key-file" in refused.stderr
    assert b"--open-without-key" in refused.stderr
    assert b"Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())


def test_with_a_key_strangers_are_turned_away(tmp_path: Path) -> None:
    """With a key file it may listen everywhere, its own workers know the key, others do not."""
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    key.chmod(0o600)
    with Up(tmp_path, "--host", "0.0.0.0", "--key-file", str(key)) as up:  # noqa: S104
        submit = ("submit", "-", "-n", "100", "--wait")
        stranger = up.cli(*submit, stdin=b"x")
        assert stranger.returncode == 1
        assert b"key" in stranger.stderr
        value = up.said(*submit, "--key-file", str(key), stdin=b"x").strip()
        assert value == value_of(b"x", 100)


def test_a_taken_port_or_directory_is_refused(service: Up, tmp_path: Path) -> None:
    """A second service on the same port, or on the same data, does not start, and says why."""
    port = service.url.rpartition(":")[2]
    taken = run("up", "--port", port, "--data", str(tmp_path))
    assert taken.returncode == 1
    assert f"port {port}".encode() in taken.stderr
    owned = run("up", "--port", "0", "--data", str(service.data))
    assert owned.returncode == 1
    assert b"Traceback" not in owned.stderr
