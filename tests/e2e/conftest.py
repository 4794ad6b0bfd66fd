"""The cluster, the chart on it, and the report. Without a cluster and without root: one sentence, exit code 2."""

import datetime
import os
import subprocess
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import pytest

import helm
from cluster import kind, node
from cluster.command import RefusedError
from cluster.place import Place
from deployment import PLUGINS, ROOT, Deployment, DeploymentError
from journal import Journal

REPORT = ROOT / "build" / "e2e"
NO_CLUSTER = 2


def say(what: str) -> None:
    print(f"cluster: {what}", flush=True)


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """On KUBECONFIG's cluster, or on one of ours, which is removed again when it was not there before."""
    place, ours = Place.default(), False
    try:
        if not os.environ.get("KUBECONFIG"):
            ours = not (kind.runs() or node.runs(place))
            kind.up(place) if kind.usable() else node.up(place, say)
        found = Deployment.find(namespace="essaim-e2e")
        found.load_images()
        found.clear()
    except (RefusedError, DeploymentError, helm.NoHelmError) as error:
        pytest.exit(f"e2e: {error}", NO_CLUSTER)
    yield found
    if ours:
        kind.down() if kind.usable() else node.down(place, say)


@pytest.fixture(scope="session")
def journal(deployment: Deployment) -> Iterator[Journal]:
    """build/e2e/report.md: what this run saw, and which properties it can have proved."""
    version = ".".join(map(str, deployment.version))
    now = datetime.datetime.now(datetime.UTC)
    journal = Journal(REPORT, f"End to end on Kubernetes {version}, {now:%Y-%m-%d}")
    nodes = deployment.get("nodes")["items"]
    git = ("git", "describe", "--always", "--dirty=, with changes")
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    journal.facts = {
        "began": f"{now:%H:%M} UTC",
        "commit": commit.stdout.strip(),
        "cluster": f"{len(nodes)} node, {nodes[0]['status']['nodeInfo']['containerRuntimeVersion']}",
        "helm": deployment.helm("version", "--short").stdout.strip(),
        "manifests": "translated for an old cluster" if deployment.is_old else "as the chart renders them",
        "load on the machine when it began": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
    }
    if deployment.is_old:
        journal.proved["Left out here, so proved by schema only"] = [each.what for each in changes()]
    journal.write()
    yield journal
    journal.write()
    print(f"\nreport: {(REPORT / 'report.md').relative_to(ROOT)}")


def changes():
    """The list of the post-renderer."""
    spec = util.spec_from_file_location("translate", Path(PLUGINS) / "old-kubernetes" / "translate.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CHANGES
