"""Lint, strict Kubernetes schemas for each supported version, the package, and what was rendered before."""

import functools
import json
import os
import tarfile
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from kubernetes_validate import utils

from essaim.protocol.view import Descriptor, Node, NodeState, Role
from essaim.protocol.view.node import Move
from essaim_discovery.cluster import mirror
from essaim_discovery.cluster.kinds import SERVICE_NODES
from essaim_discovery.cluster.scene import Home

CHART = Path(__file__).resolve().parent.parent.parent / "deploy" / "helm" / "essaim"
GOLDEN = Path(__file__).parent / "golden"
SCENARIOS = ("tiny", "default", "production", "rooms", "push")
VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
FOREIGN = {"PodMonitor", "PrometheusRule"}
UPDATE = os.environ.get("ESSAIM_GOLDEN") == "write"


@pytest.fixture(scope="module")
def checked():
    """Validates a document; equal ones once for each version, and every schema file read once."""
    utils.schema_contents = functools.cache(utils.schema_contents)

    @functools.cache
    def validate(text: str, version: str) -> None:
        kubernetes_validate.validate(json.loads(text), version, strict=True)

    return lambda doc, version: validate(json.dumps(doc), version)


def test_scenarios_are_those_of_ci():
    assert sorted(SCENARIOS) == sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*.yaml"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_lint_is_clean(run_helm, name):
    done = run_helm("lint", "--strict", str(CHART), "-f", str(CHART / "ci" / f"{name}-values.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_object_fits_the_strict_schema(render, checked, name, version):
    rendered = render(name, kube=f"{version}.0")
    assert not rendered.refusal
    for doc in rendered.docs:
        if doc["kind"] not in FOREIGN:
            checked(doc, version)


def test_grpc_probes_fit_from_the_version_that_knows_tls(render, checked):
    (relay,) = render("tiny", "probes=grpc", kube="1.37.0").of("StatefulSet", "relay")
    checked(relay, "1.37")
    with pytest.raises(kubernetes_validate.ValidationError):
        checked(relay, "1.36")


def test_a_key_that_kubernetes_does_not_know_is_found(render, checked):
    (service,) = render("tiny").of("Service", "discovery")
    with pytest.raises(kubernetes_validate.ValidationError):
        checked({**service, "spec": {**service["spec"], "portz": []}}, "1.35")


@pytest.mark.parametrize("name", SCENARIOS)
def test_rendering_is_as_it_was(render, name):
    """After a change that is meant: ESSAIM_GOLDEN=write make chart-test, and read the diff."""
    golden = GOLDEN / f"{name}.yaml"
    text = render(name).text
    if UPDATE:
        golden.write_text(text)
    assert golden.read_text() == text, f"the rendering of {name} has changed: see test_rendering_is_as_it_was"


CRD = CHART / "crds" / "servicenodes.yaml"
KINDS = {"string": str, "integer": int}


def test_crd_fits_the_strict_schema_and_shows_its_columns(checked):
    crd = yaml.safe_load(CRD.read_text())
    for version in VERSIONS:
        checked(crd, version)
    (version,) = crd["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    wide = [each["name"] for each in version["additionalPrinterColumns"] if not each.get("priority")]
    assert wide == ["Role", "Swarm", "Serial", "Health", "Version", "Age"]


def test_crd_says_what_every_field_is():
    """Structural: nothing unknown is kept."""

    def walk(schema, path):
        assert not [key for key in schema if key.startswith("x-kubernetes")], path
        if schema["type"] == "object":
            assert schema["properties"], path
            for name, each in schema["properties"].items():
                walk(each, f"{path}.{name}")
        else:
            bounded = {"pattern", "enum", "maxLength"} if schema["type"] == "string" else {"minimum"}
            assert bounded & set(schema), path

    walk(yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")


def test_agent_writes_what_the_crd_knows():
    """Each field that the agent writes is in the schema, and none is in the schema that it does not write."""
    top = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    descriptor = Descriptor(bytes(32), bytes(32), Role.STORAGE, "", (), b"", "", b"", 1, 1, version="0.1.0")
    node = Node(descriptor, NodeState.ACTIVE, 5, (), None, Move(6, 7))
    status = {**mirror.wanted_of(node, Home(*"abcde")).status, "serial": 1}
    assert set(top["status"]["properties"]) == set(status) == {*mirror.FIELDS, "serial"}
    assert all(isinstance(status[name], KINDS[each["type"]]) for name, each in top["status"]["properties"].items())
    assert set(top["status"]["properties"]["health"]["enum"]) == {each.value for each in mirror.Health}
    assert set(top["spec"]["properties"]["role"]["enum"]) == {role.name.lower() for role in Role}
    crd = yaml.safe_load(CRD.read_text())["spec"]
    assert f"apis/{crd['group']}/{crd['versions'][0]['name']}/{crd['names']['plural']}" == SERVICE_NODES


def test_package_renders_the_same(run_helm, render, tmp_path):
    assert run_helm("package", str(CHART), "-d", str(tmp_path)).returncode == 0
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        assert not [name for name in archive.getnames() if "/ci/" in name]
    done = run_helm("template", "net", str(package), "--namespace", "essaim", "--kube-version", "1.35.0")
    assert done.stdout == render("default").text


def test_notes_name_the_next_command(run_helm):
    """NOTES.txt is shown by install alone; a dry run on the client needs no cluster."""
    done = run_helm("install", "net", str(CHART), "--namespace", "essaim", "--dry-run=client")
    assert done.returncode == 0, done.stderr
    assert "helm test net --namespace essaim --logs" in done.stdout
    assert "get configmap net-essaim-genesis" in done.stdout
    assert "reachable from inside the cluster only" in done.stdout
