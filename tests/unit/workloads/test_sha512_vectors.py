"""NIST's own SHA-512 vectors (CAVP response files, from the `cryptography-vectors` package)."""

from __future__ import annotations

from importlib.resources import files

import pytest

from workmill.workloads.sha512 import fold
from workmill.workloads.sha512.kernel import VARIANTS, advance_with, fold_with

Vector = dict[str, str]


def vectors(name: str) -> list[Vector]:
    """The paragraphs of a response file that hold a digest, as name -> value."""
    text = (files("cryptography_vectors") / "hashes" / "SHA2" / name).read_text()
    paragraphs = text.replace("\r", "").split("\n\n")
    found = [
        dict(line.split(" = ", 1) for line in paragraph.splitlines() if " = " in line)
        for paragraph in paragraphs
    ]
    return [vector for vector in found if "MD" in vector]


def message(vector: Vector) -> bytes:
    return bytes.fromhex(vector["Msg"])[: int(vector["Len"]) // 8]


@pytest.mark.parametrize(("name", "number"), [("ShortMsg", 129), ("LongMsg", 128)])
def test_fold_agrees_with_the_messages(name: str, number: int) -> None:
    """Promise: `fold` is SHA-512, whole or cut into pieces."""
    known = vectors(f"SHA512{name}.rsp")
    assert len(known) == number
    for vector in known:
        data = message(vector)
        wanted = bytes.fromhex(vector["MD"])
        assert fold([data]) == wanted
        assert fold([data[:77], data[77:200], data[200:]]) == wanted


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_agrees_with_all_messages_at_once(variant: str) -> None:
    """Promise: in the lanes, too, messages of every length have NIST's digests."""
    known = [*vectors("SHA512ShortMsg.rsp"), *vectors("SHA512LongMsg.rsp")]
    wanted = [bytes.fromhex(vector["MD"]) for vector in known]
    assert fold_with(variant, [message(vector) for vector in known]) == wanted


def test_fold_agrees_with_the_monte_carlo_run() -> None:
    """Promise: a thousand digests on, each hashed from the three before it, nothing has gone off.

    The run is that of the SHAVS, section 6.4: every thousandth digest is the next seed.
    """
    text = (files("cryptography_vectors") / "hashes" / "SHA2" / "SHA512Monte.rsp").read_text()
    seed = bytes.fromhex(text.split("Seed = ")[1].split()[0])
    for vector in vectors("SHA512Monte.rsp"):
        digests = [seed] * 3
        for _ in range(1000):
            digests = [*digests[1:], fold(digests)]
        seed = digests[-1]
        assert seed.hex() == vector["MD"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_agrees_with_the_message_of_its_length(variant: str) -> None:
    """Promise: on NIST's own 64-byte message, in every lane, one iteration is SHA-512."""
    (vector,) = [v for v in vectors("SHA512ShortMsg.rsp") if v["Len"] == "512"]
    lanes = VARIANTS[variant]
    wanted = [bytes.fromhex(vector["MD"])] * lanes
    assert advance_with(variant, [message(vector)] * lanes, [1] * lanes) == wanted
