"""The chart in deploy/helm/, rendered by Go's template engine, judged by Kubernetes' schemas.

Helm is that engine with more functions (github.com/helm/helm, `engine.go`). The chart uses none of
them, so the bare engine, Debian's `tmpl`, renders it as Helm does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "workmill"
TEMPLATES = sorted((CHART / "templates").glob("*.yaml"))
KUBERNETES = "1.34"
SCALER = {
    "scaleTargetRef",
    "pollingInterval",
    "minReplicaCount",
    "maxReplicaCount",
    "advanced",
    "triggers",
}
"""What we use of a ScaledObject's specification, looked up in KEDA's own (keda.sh, v1alpha1)."""

pytestmark = pytest.mark.skipif(
    not shutil.which("tmpl") and os.environ.get("CI") != "true", reason="needs tmpl"
)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Everything that the chart makes, with an image and its own values."""
    place = tmp_path_factory.mktemp("chart")
    values = yaml.safe_load((CHART / "values.yaml").read_text()) | {"image": "registry/mill:1"}
    data = json.dumps({"Values": values, "Release": {"Name": "mill"}})
    made: list[dict[str, Any]] = []
    for template in TEMPLATES:
        copy = place / (template.name + ".tmpl")
        copy.write_text(template.read_text())
        subprocess.run(["tmpl", "-data", data, str(copy)], check=True, timeout=60)
        rendered = (place / template.name).read_text()
        assert "<no value>" not in rendered
        made += yaml.safe_load_all(rendered)
    return made


def only(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def test_kubernetes_takes_all_of_it(objects: list[dict[str, Any]]) -> None:
    """Strictly: no field is unknown to the schema of its kind."""
    native = [one for one in objects if one["kind"] != "ScaledObject"]
    assert len(native) == len(objects) - 1
    for one in native:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_workers_follow_the_backlog_in_seconds(objects: list[dict[str, Any]]) -> None:
    """KEDA compares our metric with the target wait as it is; its values are texts, as it wants."""
    scaler = only(objects, "ScaledObject", "mill-worker")["spec"]
    assert scaler.keys() <= SCALER
    assert (
        scaler["scaleTargetRef"]["name"]
        == only(objects, "Deployment", "mill-worker")["metadata"]["name"]
    )
    (trigger,) = scaler["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("prometheus", "Value")
    assert "workmill_backlog_seconds" in trigger["metadata"]["query"]
    assert trigger["metadata"]["threshold"] == "15"
    assert trigger["metadata"]["ignoreNullValues"] == "false", "no figure is no backlog of 0"
    assert {type(value) for value in trigger["metadata"].values()} == {str}


def test_nobody_else_counts_what_an_autoscaler_counts(objects: list[dict[str, Any]]) -> None:
    """An upgrade of the chart does not reset the number of pods."""
    deployments = [one for one in objects if one["kind"] == "Deployment"]
    assert [("replicas" in one["spec"]) for one in deployments] == [False, False]


def test_pods_may_do_little(objects: list[dict[str, Any]]) -> None:
    """No root, no capability, no writing but scratch, no token of the cluster."""
    for one in (one for one in objects if one["kind"] == "Deployment"):
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_an_endpoint_has_time_to_leave(objects: list[dict[str, Any]]) -> None:
    """Its notice outlasts the checks that must see it, and the pod's grace outlasts both."""
    pod = only(objects, "Deployment", "mill-endpoint")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    notice_seconds = float(container["command"][-1])
    probe = container["readinessProbe"]
    seen_seconds = probe["failureThreshold"] * (probe["periodSeconds"] + probe["timeoutSeconds"])
    assert seen_seconds < notice_seconds < pod["terminationGracePeriodSeconds"] - 10


def test_the_chart_uses_what_the_bare_engine_has() -> None:
    """Else this rendering would not be Helm's."""
    known = {"printf", "range", "end", "if", "else"}
    for template in [*TEMPLATES, CHART / "templates" / "NOTES.txt"]:
        for action in re.findall(r"\{\{-?\s*(.*?)\s*-?\}\}", template.read_text()):
            words = [word for word in action.split() if not re.match(r"[.\"$]", word)]
            assert set(words) <= known, action
