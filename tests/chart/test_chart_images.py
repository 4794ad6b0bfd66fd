"""Dockerfiles, .dockerignore and skaffold.yaml agree with the repository and with the chart. Nothing is built here."""

import fnmatch
import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILES = ("services/Dockerfile", "client/Dockerfile")
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
SKAFFOLD = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
KEYS = {  # of skaffold/v4beta13, as far as they are used
    "": {"apiVersion", "kind", "metadata", "build", "deploy", "profiles"},
    "artifact": {"image", "context", "docker"},
    "docker": {"dockerfile", "buildArgs"},
    "release": {"name", "chartPath", "namespace", "createNamespace", "wait", "setValueTemplates"},
    "profile": {"name", "activation", "build", "patches"},
}


def test_skaffold_builds_one_artifact_for_each_service_and_the_client():
    artifacts = {each["image"]: each["docker"] for each in SKAFFOLD["build"]["artifacts"]}
    assert sorted(artifacts) == sorted(["essaim-client", *(f"essaim-{service}" for service in SERVICES)])
    assert artifacts.pop("essaim-client") == {"dockerfile": "client/Dockerfile"}
    for image, docker in artifacts.items():
        service = image.removeprefix("essaim-")
        assert docker == {"dockerfile": "services/Dockerfile", "buildArgs": {"SERVICE": service}}


def test_skaffold_gives_every_image_to_a_value_of_the_chart():
    (release,) = SKAFFOLD["deploy"]["helm"]["releases"]
    values = yaml.safe_load((ROOT / release["chartPath"] / "values.yaml").read_text())
    for path, template in release["setValueTemplates"].items():
        component, _, key = path.partition(".")
        assert values[component][key] == ""
        (artifact,) = re.findall(r"IMAGE_FULLY_QUALIFIED_(\w+)", template)
        assert artifact.replace("_", "-") in {each["image"] for each in SKAFFOLD["build"]["artifacts"]}
    for profile in SKAFFOLD["profiles"]:
        for patch in profile["patches"]:
            assert all((ROOT / file).is_file() for file in patch["value"])


def test_skaffold_has_no_key_that_its_schema_does_not_know():
    assert SKAFFOLD["apiVersion"] == "skaffold/v4beta13"
    used = {
        "": [SKAFFOLD],
        "artifact": SKAFFOLD["build"]["artifacts"],
        "docker": [each["docker"] for each in SKAFFOLD["build"]["artifacts"]],
        "release": SKAFFOLD["deploy"]["helm"]["releases"],
        "profile": SKAFFOLD["profiles"],
    }
    for kind, nodes in used.items():
        for node in nodes:
            assert set(node) <= KEYS[kind], kind


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_exists_and_is_not_ignored(name):
    text = (ROOT / name).read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        for service in SERVICES if "${SERVICE}" in source else [""]:
            path = source.replace("${SERVICE}", service)
            assert (ROOT / path).exists(), path
            assert any(fnmatch.fnmatch(path, each) or path.startswith(f"{each}/") for each in let_in), path


def test_ignored_is_no_source():
    """Only what is generated: a pattern too wide would leave a module out of the image."""
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in {"#", "!", "*", ""}
    ]
    assert patterns == ["core/essaim/*/v1"]
    for area in (ROOT / "core" / "essaim").glob("*/v1"):
        assert all("_pb2" in file.name or file.name == "__init__.py" for file in area.glob("*.py*"))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_image_is_small_in_what_it_may(name):
    text = (ROOT / name).read_text()
    build, final = text.split("FROM ${BASE}\n")
    assert "FROM ${BASE} AS build" in build
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "pip install" not in final
    assert "apt-get" not in text
    for install in re.findall(r"install [^&]*-r requirements", text):
        assert "--require-hashes" in install
    copied = re.findall(r"^COPY (.*)$", final, re.MULTILINE)
    assert copied == ["--from=build /opt/essaim /opt/essaim", "LICENSE /opt/essaim/"]


def test_pods_run_as_the_images_user(scenario):
    for name, pod in scenario.pods:
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (10_001, 10_001), name
