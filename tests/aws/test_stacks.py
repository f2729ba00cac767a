"""What CloudFormation is asked for, and what is never taken for "there is no stack"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stacks import Stack, Stopped

TEMPLATE = "Parameters:\n  Release:\n    Type: String\n  Clients:\n    Type: String\nResources:\n"


class Formation:
    """CloudFormation with one stack, or none, or no answer."""

    def __init__(self, status: str = "", refusal: str = "", **parameters: str) -> None:
        self.status, self.refusal, self.parameters = status, refusal, parameters
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        if self.refusal:
            raise ClientError({"Error": {"Code": "x", "Message": self.refusal}}, "DescribeStacks")
        given = [
            {"ParameterKey": name, "ParameterValue": value}
            for name, value in self.parameters.items()
        ]
        return {"Stacks": [{"StackStatus": self.status, "Parameters": given}]}

    def create_stack(self, **words: Any) -> None:
        self.asked.append(("create", words))
        self.refusal, self.status = "", "CREATE_COMPLETE"

    def update_stack(self, **words: Any) -> None:
        self.asked.append(("update", words))

    def set_stack_policy(self, **words: Any) -> None:
        self.asked.append(("policy", words))

    def get_waiter(self, _: str) -> Formation:
        return self

    def wait(self, **_: str) -> None:
        """It has come."""


def stack(formation: Formation, folder: Path) -> Stack:
    (folder / "template.yaml").write_text(TEMPLATE)
    return Stack(formation, "mill", folder / "template.yaml")


def given(words: dict[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one["ParameterValue"] for one in words["Parameters"]}


def test_what_is_not_said_stays(tmp_path: Path) -> None:
    """A deployment without --clients does not close the door; what the template does not know any
    more is left out."""
    formation = Formation("UPDATE_COMPLETE", Release="one", Clients="10.0.0.0/8", Gone="x")
    stack(formation, tmp_path).raise_with({"Release": "two", "Clients": None})
    ((verb, words),) = formation.asked
    assert (verb, given(words)) == ("update", {"Release": "two", "Clients": "10.0.0.0/8"})
    assert words["DisableRollback"] is False


def test_a_first_raising_keeps_what_it_made(tmp_path: Path) -> None:
    """A roll-back would stick at the protected store hosts; so the next try goes on instead."""
    formation = Formation(refusal="Stack with id mill does not exist")
    stack(formation, tmp_path).raise_with({"Release": "one", "Clients": None})
    ((verb, words),) = formation.asked
    assert (verb, given(words)) == ("create", {"Release": "one"})
    assert words["DisableRollback"] is True
    formation.status = "CREATE_FAILED"
    stack(formation, tmp_path).raise_with({"Release": "one"}, policy="{}")
    assert [verb for verb, _ in formation.asked] == ["create", "update", "policy"]
    assert formation.asked[1][1]["DisableRollback"] is True


@pytest.mark.parametrize("refusal", ["Rate exceeded", "is not authorized to perform"])
def test_a_refusal_is_not_an_absence(refusal: str, tmp_path: Path) -> None:
    """Taken for one, it would give store hosts a new image and release, and so replace them."""
    formation = Formation(refusal=refusal)
    with pytest.raises(ClientError, match=refusal):
        stack(formation, tmp_path).given()
    with pytest.raises(ClientError, match=refusal):
        stack(formation, tmp_path).raise_with({"Release": "two"})
    assert formation.asked == []


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("UPDATE_IN_PROGRESS", "when that has ended"),
        ("UPDATE_ROLLBACK_FAILED", "continue it there"),
        ("ROLLBACK_COMPLETE", "cannot be brought up to date"),
    ],
)
def test_a_stack_that_cannot_be_updated_is_left_alone(
    status: str, advice: str, tmp_path: Path
) -> None:
    """And a person is told what to do."""
    formation = Formation(status, Release="one")
    with pytest.raises(Stopped, match=advice):
        stack(formation, tmp_path).raise_with({"Release": "two"})
    assert formation.asked == []
