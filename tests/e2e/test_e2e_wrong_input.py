"""Wrong values, what is missing, full, or cannot be reached: each ends in one clear sentence, event or line."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cluster import kind
from cluster.api import Api
from cluster.place import OUTER_ADDRESS, Place
from cluster.volumes import VOLUMES, volume
from correspondence import Correspondence, network_file
from deployment import CHART, Deployment
from journal import Journal

TINY = CHART / "ci" / "tiny-values.yaml"
PORTS = {"discovery": 30_450, "relay": 30_540}
SECONDS = 120
FULL_CLASS = "essaim-full"
FULL_BYTES = 8 << 20
AT_ONCE: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def elsewhere(deployment: Deployment):
    """A namespace of its own."""
    found = Deployment(deployment.kubeconfig, deployment.local, deployment.release, "essaim-e2e-wrong")
    found.clear()
    found.kubectl("create", "namespace", found.namespace)
    yield found
    found.clear()


def exposed(deployment: Deployment) -> dict[str, object]:
    address = [deployment.node_address]
    return {
        f"{name}.exposure": {"type": "NodePort", "addresses": address, "port": port} for name, port in PORTS.items()
    }


def await_that(what: str, holds):
    """What `holds` gives, once it gives something."""
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, f"no {what} within {SECONDS} s"
        time.sleep(0.5)
    return found


def events(deployment: Deployment, pod: str) -> list[str]:
    items = deployment.get("events", "--field-selector", f"involvedObject.name={pod}")["items"]
    return [each["message"] for each in items]


def lines(deployment: Deployment, pod: str, *flags: str) -> list[str]:
    return deployment.kubectl("logs", pod, *flags, fails=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("field", "value"),
    [("relay.replicas", "many"), ("relay.replicaz", 3), ("discovery.port", 70_000), ("storage.exposure.type", "Magic")],
)
def test_wrong_value_is_refused_with_the_fields_name(
    elsewhere: Deployment, journal: Journal, field: str, value: object
):
    with journal.step(f"wrong value: {field}") as seen:
        done = elsewhere.attempt(TINY, sets={field: value})
        assert done.returncode != 0
        said = done.stderr.replace("/", ".")
        assert field in said or all(part in said for part in field.split(".")), done.stderr
        seen["said"] = next(line.strip(" -") for line in done.stderr.splitlines() if field.rpartition(".")[2] in line)
        assert not elsewhere.get("statefulsets")["items"]


@pytest.mark.parametrize(
    ("sets", "sentence"),
    [
        ({"storage.replicas": 2}, "storage.replicas is 2: the first swarm forms from"),
        ({"network.swarm.target": 9}, "network.swarm.target is 9: it must lie between minimum (3) and maximum (5)"),
    ],
)
def test_impossible_layout_fails_with_a_sentence(elsewhere: Deployment, journal: Journal, sets: dict, sentence: str):
    with journal.step(f"impossible layout: {', '.join(f'{key} {value}' for key, value in sets.items())}") as seen:
        done = elsewhere.attempt(TINY, sets=sets)
        assert done.returncode != 0
        assert sentence in done.stderr
        seen["said"] = done.stderr[done.stderr.index(sentence) :].splitlines()[0]


def test_missing_secret_is_an_event_that_names_it(elsewhere: Deployment, journal: Journal):
    with journal.step("missing secret") as seen:
        sets = {"genesis": {"create": False, "authoritySecret": "their-keys", "configMap": "their-genesis"}}
        elsewhere.kubectl("create", "configmap", "their-genesis", "--from-literal=genesis.bin=x")
        done = elsewhere.attempt(TINY, sets={**sets, **exposed(elsewhere)}, wait=AT_ONCE)
        assert done.returncode == 0, done.stderr
        pod = f"{elsewhere.release}-discovery-0"
        told = await_that(
            "event", lambda: [each for each in events(elsewhere, pod) if '"their-keys" not found' in each]
        )
        seen["event"] = told[0]
        elsewhere.uninstall()
        elsewhere.kubectl("delete", "persistentvolumeclaims", "--all")
        elsewhere.kubectl("delete", "configmap", "their-genesis")


def test_unreachable_discovery_is_a_line_and_no_restart(elsewhere: Deployment, journal: Journal, tmp_path: Path):
    with journal.step("unreachable discovery") as seen:
        genesis = tmp_path / "genesis.bin"
        found(tmp_path, genesis)
        elsewhere.kubectl("create", "configmap", "their-genesis", f"--from-file=genesis.bin={genesis}")
        sets = {
            "discovery": {"enabled": False, "address": f"{OUTER_ADDRESS}:9"},
            "genesis": {"create": False, "configMap": "their-genesis"},
            "relay.replicas": 1,
            "storage.enabled": False,
        }
        done = elsewhere.attempt(TINY, sets={**exposed(elsewhere), **sets}, wait=AT_ONCE)
        assert done.returncode == 0, done.stderr
        pod = f"{elsewhere.release}-relay-0"
        lost = await_lines(elsewhere, pod, "discovery_lost", attempt=4)
        status = elsewhere.get("pod", pod)["status"]["containerStatuses"][0]
        assert (status["ready"], status["restartCount"]) == (False, 0)
        seen |= {"line": lost[-1], "ready": status["ready"], "restarts": status["restartCount"]}
        elsewhere.uninstall()
        elsewhere.kubectl("delete", "persistentvolumeclaims", "--all")
        elsewhere.kubectl("delete", "configmap", "their-genesis")


def await_lines(deployment: Deployment, pod: str, event: str, attempt: int) -> list[str]:
    """At least so many of this event; one attempt is a line."""

    def told() -> list[str]:
        found = [line for line in lines(deployment, pod) if f'"event": "{event}"' in line]
        return found if len(found) >= attempt else []

    return await_that(f"line {event}", told)


def found(folder: Path, genesis: Path) -> None:
    flags = ["--data-dir", str(folder / "keys"), "--out", str(genesis), "--network-name", "e2e"]
    subprocess.run([sys.executable, "-m", "essaim_discovery", "genesis", *flags], check=True)


# A full volume needs volumes that fill: a cluster of ours.


@pytest.fixture
def small_volumes(elsewhere: Deployment):
    """Three volumes of the class FULL_CLASS in memory, FULL_BYTES each; their folders."""
    if not elsewhere.local or kind.usable():
        pytest.skip("filling a volume needs the one-node cluster of tools/cluster")
    place = Place.default()
    name = f"full-{time.time_ns() // 1_000_000}"  # a volume that was deleted may still be going
    api, folders = Api(place), [place.volumes / f"{name}-{number}" for number in range(3)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tmpfs", folder], check=True)
        api.create(VOLUMES, volume(folder.name, folder, "1Gi", FULL_CLASS))
    yield folders
    elsewhere.clear()
    for folder in folders:
        api.delete(f"{VOLUMES}/{folder.name}")
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_volume_is_a_line_and_refuses_until_there_is_room(
    elsewhere: Deployment, journal: Journal, small_volumes: list[Path], tmp_path: Path
):
    with journal.step("full volumes of a whole swarm, under clients") as seen:
        sets = {**exposed(elsewhere), "storage.persistence": {"size": "1Gi", "storageClass": FULL_CLASS}}
        elsewhere.install(TINY, sets=sets)
        with Correspondence(network_file(elsewhere), tmp_path) as people:
            people.begin(0.1)
            await_that("message", lambda: people.acknowledged >= 3)
            fill(small_volumes)
            pod = f"{elsewhere.release}-storage-0"
            seen["line"] = await_lines(elsewhere, pod, "disk_full", attempt=1)[0]
            for folder in small_volumes:
                (folder / "filler").unlink()
            await_lines(elsewhere, pod, "disk_writable", attempt=1)
            before = people.acknowledged
            await_that("message after there was room again", lambda: people.acknowledged > before)
            tally = people.end()
        seen |= tally.evidence
        assert not tally.lost
        restarts = [each["status"]["containerStatuses"][0]["restartCount"] for each in elsewhere.get("pods")["items"]]
        assert not any(restarts)


def test_start_on_a_full_volume_is_one_sentence(elsewhere: Deployment, journal: Journal, small_volumes: list[Path]):
    with journal.step("start on a full volume") as seen:
        fill(small_volumes)
        sets = {**exposed(elsewhere), "storage.persistence": {"size": "1Gi", "storageClass": FULL_CLASS}}
        assert elsewhere.attempt(TINY, sets=sets, wait=AT_ONCE).returncode == 0
        pod = f"{elsewhere.release}-storage-0"
        said = await_that("sentence", lambda: lines(elsewhere, pod) or lines(elsewhere, pod, "--previous"))
        seen["line"] = said[-1]
        assert len(said) == 1
        assert "No space left on device" in said[0]


def fill(folders: list[Path]) -> None:
    """To the last byte."""
    for folder in folders:
        with (folder / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                continue
