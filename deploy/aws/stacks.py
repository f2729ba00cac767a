"""One CloudFormation stack: what was given to it before, and how it is raised from a template.

- A parameter that is not given keeps the value that it has.
- A first raising that fails keeps what it made, so that raising it again goes on there: store
  hosts cannot be ended by a roll-back, they are protected. A later one that fails is rolled back.
- Only the answer "does not exist" means that there is no stack. Whoever took a refusal for that
  would give it new parameters, and with them new store hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

MAX_TEMPLATE_BYTES: Final = 51_200
"""What CloudFormation takes in a request (AWS's quotas)."""
_WHOLE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
"""From these a stack can be brought up to date, and back."""
_UNFINISHED: Final = frozenset({"CREATE_FAILED", "UPDATE_FAILED"})
"""The first raising has not come to its end yet: there is nothing to go back to."""


class Stopped(Exception):
    """The deployment cannot go on; the message says what happened, what was kept, what to do."""


class Stack:
    """One stack by its name, and the template that it is made from."""

    def __init__(self, formation: Any, name: str, template: Path) -> None:
        self._formation, self._name = formation, name
        self._text = template.read_text()

    def check(self) -> None:
        """Have AWS read the template."""
        self._formation.validate_template(TemplateBody=self._text)

    def given(self) -> dict[str, str] | None:
        """The parameters it has now; None when there is no such stack."""
        found = self._found()
        return None if found is None else _given(found)

    def raise_with(
        self, values: Mapping[str, str | None], policy: str | None = None
    ) -> dict[str, str]:
        """Make it or bring it up to date, and wait for that; its outputs. A value of None keeps
        what was given before, or the template's own. `policy` protects resources from then on."""
        found = self._found()
        given = {name: value for name, value in values.items() if value is not None}
        wanted: dict[str, Any] = {
            "StackName": self._name,
            "TemplateBody": self._text,
            "Capabilities": ["CAPABILITY_IAM"],
        }
        if found is None:
            wanted["Parameters"] = _parameters(given)
            self._formation.create_stack(**wanted, DisableRollback=True)
            self._wait("stack_create_complete")
        else:
            status = str(found["StackStatus"])
            self._check_status(status)
            known = _parameters_of(self._text)
            kept = {name: value for name, value in _given(found).items() if name in known}
            wanted["Parameters"] = _parameters(kept | given)
            self._update(wanted | {"DisableRollback": status in _UNFINISHED})
        if policy:  # only now: it would forbid to go on with what it protects
            self._formation.set_stack_policy(StackName=self._name, StackPolicyBody=policy)
        raised = self._found() or {}
        return {one["OutputKey"]: one["OutputValue"] for one in raised.get("Outputs", [])}

    def _update(self, wanted: dict[str, Any]) -> None:
        try:
            self._formation.update_stack(**wanted)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        else:
            self._wait("stack_update_complete")

    def _wait(self, waiter: str) -> None:
        try:
            self._formation.get_waiter(waiter).wait(StackName=self._name)
        except WaiterError as error:
            raise Stopped(
                f"The stack {self._name} did not come: {error}. What is there is kept, as it was "
                "before where this was not the first time. Its events in CloudFormation say why; "
                "mend that, then deploy again."
            ) from error

    def _check_status(self, status: str) -> None:
        if status in _WHOLE | _UNFINISHED:
            return
        if status.endswith("_IN_PROGRESS"):
            raise Stopped(
                f"The stack {self._name} is being changed already ({status}). Nothing was done. "
                "Deploy again when that has ended."
            )
        raise Stopped(
            f"The stack {self._name} is in the state {status}, from which it cannot be brought up "
            "to date. Nothing was done to it. See its events in CloudFormation; after a failed "
            "roll-back, continue it there, then deploy again."
        )

    def _found(self) -> dict[str, Any] | None:
        try:
            (found,) = self._formation.describe_stacks(StackName=self._name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(found)


def _given(stack: Mapping[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}


def _parameters_of(template: str) -> frozenset[str]:
    """The names that stand two blanks deep beneath `Parameters:`."""
    section = re.search(r"^Parameters:\n(.*?)^\w", template, re.MULTILINE | re.DOTALL)
    return frozenset(re.findall(r"^  (\w+):", section[1], re.MULTILINE)) if section else frozenset()


def _parameters(given: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
