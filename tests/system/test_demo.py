"""The demo is a test that anyone can run."""

from tests.system.processes import run


def test_the_demo_is_green() -> None:
    """It starts a service of its own, all four acts hold, every value is right, exit 0."""
    done = run("demo", "--files", "6", "--iterations", "20000")
    words = done.stdout.decode()
    assert done.returncode == 0, words + done.stderr.decode()
    assert "BROKEN" not in words
    assert "not judged" not in words
    assert "8 values are right" in words
