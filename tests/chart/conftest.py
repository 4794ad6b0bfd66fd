"""The chart as real helm renders it. Without helm these tests are skipped with a sentence, and fail under CI=true."""

import functools
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

import helm

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "deploy" / "helm" / "essaim"
SCENARIOS = ("tiny", "default", "production", "rooms", "push")
MONITORING = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")

FRACTION = re.compile(r"=\d+\.\d+$")  # --set takes it for a text

Doc = Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """What came out, or why nothing did."""

    text: str
    refusal: str
    docs: list[Doc] = field(default_factory=list)

    def of(self, kind: str, name: str = "") -> list[Doc]:
        return [doc for doc in self.docs if doc["kind"] == kind and name in doc["metadata"]["name"]]

    def one(self, kind: str, name: str) -> Doc:
        (found,) = [doc for doc in self.docs if doc["kind"] == kind and doc["metadata"]["name"] == name]
        return found

    @property
    def pods(self) -> list[tuple[str, Doc]]:
        """Name of the owner, and the pod's spec."""
        pods = [(doc["metadata"]["name"], doc["spec"]) for doc in self.of("Pod")]
        owners = [*self.of("StatefulSet"), *self.of("Job")]
        return pods + [(doc["metadata"]["name"], doc["spec"]["template"]["spec"]) for doc in owners]


Render = Callable[..., Rendered]


@pytest.fixture(scope="session")
def chart() -> Path:
    """Its folder."""
    return CHART


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    try:
        return helm.find()
    except helm.NoHelmError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def run_helm(helm_binary: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [helm_binary, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    return run


@pytest.fixture(scope="session")
def render(run_helm) -> Render:
    """render(scenario, "relay.replicas=3", kube="1.31", release="net", apis=[...]); each rendering is made once."""

    @functools.cache
    def cached(scenario: str, sets: tuple[str, ...], kube: str, release: str, apis: tuple[str, ...]) -> Rendered:
        arguments = ["template", release, str(CHART), "--namespace", "essaim", "--kube-version", kube]
        arguments += ["-f", str(CHART / "ci" / f"{scenario}-values.yaml")]
        arguments += [
            part
            for each in sets
            for part in ("--set-json" if FRACTION.search(each) and "Version" not in each else "--set", each)
        ]
        arguments += [part for api in apis for part in ("--api-versions", api)]
        done = run_helm(*arguments)
        if done.returncode:
            return Rendered("", done.stderr)
        return Rendered(done.stdout, "", [doc for doc in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if doc])

    def render(scenario="default", *sets, kube="1.35.0", release="net", apis=()) -> Rendered:
        return cached(scenario, sets, kube, release, tuple(apis))

    return render


@pytest.fixture(params=SCENARIOS)
def scenario(request, render) -> Rendered:
    """Each of ci/*-values.yaml, rendered."""
    rendered = render(request.param, apis=MONITORING)
    assert not rendered.refusal
    return rendered
