"""The images as they come out of the engine: `make image-test` builds all of them, and one of them twice (5 minutes).

Both builds are of one commit on one base. Without an engine: one sentence, exit code 2.
"""

import gzip
import json
import os
import re
import subprocess
import tarfile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import images

LINE = re.compile(r"(?P<image>\S+) (?P<digest>sha256:\w{64}) \d+ MB, (?P<over>[\d.]+) MB over its base")
RELAY_MEGABYTES = 120
TWICE = "relay"
COMMIT = images.told("git", "rev-parse", os.environ.get("COMMIT", "HEAD"))
"""What HEAD is when the tests begin: somebody may commit while the images are built."""
BUILD_TOOLS = re.compile(r"(^|/)(pip3?|setuptools|wheel|ensurepip|gcc|cc|g\+\+|make|ld|grpc_tools|hatchling|.*\.whl)$")


class Image:
    """One archive: its configuration, and the names of the files in the layers that are not the base's."""

    def __init__(self, name: str, told: str, base: set[str]) -> None:
        self.name = name
        found = LINE.search(told)
        assert found, told
        self.digest = found["digest"]
        self.megabytes = float(found["over"])
        with tarfile.open(images.MADE / f"{name}.tar") as tar:
            manifest = images.blob(tar, images.blob(tar, "index.json")["manifests"][0]["digest"])
            self.config = images.blob(tar, manifest["config"]["digest"])
            layers = dict(zip(self.config["rootfs"]["diff_ids"], manifest["layers"], strict=True))
            self.layers = list(layers)
            self.members = [
                member for diff, layer in layers.items() if diff not in base for member in files(tar, layer)
            ]
        self.names = {member.name for member in self.members}
        self.sbom = json.loads((images.MADE / f"{name}.cdx.json").read_text())


def files(tar, layer) -> list[tarfile.TarInfo]:
    with images.opened(tar, layer["digest"]) as packed:
        packing = packed.read(2)
        packed.seek(0)
        stream = gzip.GzipFile(fileobj=packed) if packing == b"\x1f\x8b" else packed
        with tarfile.open(fileobj=stream, mode="r|") as inner:
            return list(inner)


def build(*names: str) -> dict[str, str]:
    """The line of each."""
    told = {**os.environ, "COMMIT": COMMIT}
    done = subprocess.run([images.__file__, *names], capture_output=True, text=True, check=False, env=told)
    if done.returncode:
        pytest.exit(done.stderr.strip().splitlines()[-1], 2)
    return dict(zip(names, done.stdout.splitlines(), strict=True))


@pytest.fixture(scope="module")
def base() -> set[str]:
    """Its layers."""
    engine = images.find_engine()
    name = os.environ.get("BASE") or engine.base
    return set(engine.layers(name)) if name else set()


@pytest.fixture(scope="module")
def first(base) -> Image:
    """An earlier build of one of them."""
    return Image(TWICE, build(TWICE)[TWICE], base)


@pytest.fixture(scope="module")
def built(first, base) -> dict[str, Image]:
    """All of them."""
    return {name: Image(name, told, base) for name, told in build(*images.NAMES).items()}


@pytest.fixture(params=images.NAMES)
def image(request, built) -> Image:
    return built[request.param]


def test_two_builds_of_one_commit_are_the_same(first, built):
    """The digest names the configuration and every layer. If not, the files that differ are named."""
    second = built[TWICE]
    differing = {(each.name, each.mtime, each.mode, each.size, each.chksum) for each in first.members} ^ {
        (each.name, each.mtime, each.mode, each.size, each.chksum) for each in second.members
    }
    assert sorted(name for name, *_ in differing) == []
    assert first.layers == second.layers
    assert first.config == second.config
    assert first.digest == second.digest


def test_every_time_is_the_commits(image):
    epoch = int(images.told("git", "log", "-1", "--format=%ct", COMMIT))
    assert {member.mtime for member in image.members} == {epoch}


def test_relay_is_small(built):
    assert built["relay"].megabytes <= RELAY_MEGABYTES


def test_image_runs_as_a_numeric_user_and_says_what_it_is(image):
    config = image.config["config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == [f"/opt/essaim/bin/{'essaim' if image.name == 'client' else 'essaim-node'}"]
    labels = {key.rpartition(".")[2]: value for key, value in config["Labels"].items() if "opencontainers" in key}
    assert labels["title"] == f"essaim-{image.name}"
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert labels["version"]


def test_image_holds_nothing_that_builds_or_installs(image):
    """A base may bring Python's installers along: they are taken away (whiteouts), and we bring no other."""
    assert sorted(name for name in image.names if BUILD_TOOLS.search(name)) == []
    assert not [member.name for member in image.members if member.mode & 0o6000 and member.isfile()]


def test_nothing_of_how_it_was_built_stays(image):
    """No secret of the build, no address of a package index, no source folder."""
    assert not [
        name for name in image.names if name.startswith(("run/secrets/", "src/", "wheels/", "build/", "root/."))
    ]
    assert "etc/pip.conf" not in image.names
    assert "secret" not in json.dumps(image.config.get("history", [])).replace("type=secret", "")


def test_list_beside_the_image_is_cyclonedx_and_names_all_that_is_installed(image):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(image.sbom)) is None
    assert image.sbom["metadata"]["component"]["name"] == f"essaim-{image.name}"
    listed = {each["purl"].partition("@")[0] for each in image.sbom["components"]}
    folders = {name.rpartition(".dist-info")[0] for name in image.names if name.endswith(".dist-info/METADATA")}
    installed = {folder.rpartition("/")[2].rpartition("-")[0].lower().replace("_", "-") for folder in folders}
    assert {f"pkg:pypi/{name.replace('.', '-')}" for name in installed} <= listed
    assert "pkg:generic/cpython" in listed
    assert "essaim-core" in installed
