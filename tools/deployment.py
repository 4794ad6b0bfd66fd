"""python -m deployment up | down: the chart on a cluster; tests/e2e installs by the same class.

The cluster is that of KUBECONFIG, else the one that tools/cluster brought up (its images come from build/images, made
where they are missing). VALUES names a values file, REGISTRY and TAG where a cluster of KUBECONFIG has the images.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import helm
from cluster import kind, node
from cluster.api import Api
from cluster.command import RefusedError
from cluster.place import Place
from cluster.volumes import offer_volumes

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "essaim"
IMAGES = ROOT / "build" / "images"
NAMES = ("discovery", "relay", "storage", "opengroup", "push", "client")
"""Images that the tests of a deployment need; whatever else was built is loaded, too."""
PLUGINS = ROOT / "tests" / "e2e" / "plugins"
OLD = "old-kubernetes"
OLDEST = 31
"""The oldest minor version that the chart is made for; what is older is translated for."""
CLEAR_SECONDS = 10
EXPOSED = ("discovery", "relay")


class DeploymentError(Exception):
    """One sentence why it cannot be."""


@dataclass(frozen=True)
class Deployment:
    """One release in one namespace of one cluster."""

    kubeconfig: Path
    local: bool
    release: str = "essaim"
    namespace: str = "essaim"

    @classmethod
    def find(cls, release: str = "essaim", namespace: str = "essaim") -> "Deployment":
        """On the cluster that there is. Raises DeploymentError."""
        if told := os.environ.get("KUBECONFIG"):
            return cls(Path(told), False, release, namespace)
        place = Place.default()
        if kind.runs() or node.runs(place):
            return cls(place.kubeconfig, True, release, namespace)
        raise DeploymentError("there is no cluster; `make cluster-up` makes one as root, or name one in KUBECONFIG.")

    # Commands

    def helm(self, *arguments: str, fails: bool = False) -> "subprocess.CompletedProcess[str]":
        """Raises DeploymentError with what helm said last, unless it may fail."""
        where = ("--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace)
        return finish([str(helm.find()), *arguments, *where], fails, HELM_PLUGINS=str(PLUGINS))

    def kubectl(self, *arguments: str, fails: bool = False) -> "subprocess.CompletedProcess[str]":
        where = ("--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace)
        return finish([str(helm.find_kubectl()), arguments[0], *where, *arguments[1:]], fails)

    def get(self, *what: str) -> Any:
        """`kubectl get -o json`, parsed."""
        return json.loads(self.kubectl("get", *what, "-o", "json").stdout)

    def create(self, content: Mapping[str, Any]) -> None:
        """One object, in this namespace."""
        where = ("--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace)
        finish([str(helm.find_kubectl()), "create", *where, "-f", "-"], fails=False, given=json.dumps(content))

    # The cluster

    @cached_property
    def version(self) -> tuple[int, int]:
        told = json.loads(self.kubectl("version", "-o", "json").stdout)["serverVersion"]
        return int(told["major"]), int(told["minor"].rstrip("+"))

    @property
    def is_old(self) -> bool:
        """Whether manifests are translated."""
        return self.version < (1, OLDEST)

    @cached_property
    def node_address(self) -> str:
        """Of the first machine: where its node ports are."""
        addresses = self.get("nodes")["items"][0]["status"]["addresses"]
        return str(next(each["address"] for each in addresses if each["type"] == "InternalIP"))

    def load_images(self) -> None:
        """Into a cluster of ours; one of others pulls them from REGISTRY."""
        if not self.local:
            return
        if not all((IMAGES / f"{name}.tar").exists() for name in NAMES):
            finish([str(ROOT / "tools" / "images.py")], fails=False)
        for archive in sorted(IMAGES.glob("*.tar")):
            kind.load(archive) if kind.usable() else node.load(Place.default(), archive)

    # The release

    def install(self, *values: str | Path, sets: Mapping[str, Any] | None = None) -> str:
        """Install or upgrade and wait until every pod is ready; the notes. Raises DeploymentError."""
        return self.attempt(*values, sets=sets, fails=False).stdout

    def attempt(
        self,
        *values: str | Path,
        sets: Mapping[str, Any] | None = None,
        fails: bool = True,
        wait: Sequence[str] = ("--wait", "--timeout", "300s"),
    ) -> "subprocess.CompletedProcess[str]":
        """The same, whatever comes of it."""
        told = [part for file in values for part in ("--values", str(file))]
        told += [part for key, value in self.settings(sets or {}).items() for part in ("--set-json", f"{key}={value}")]
        flags = ["--create-namespace", *wait, *(["--post-renderer", OLD] if self.is_old else [])]
        return self.helm("upgrade", "--install", self.release, str(CHART), *flags, *told, fails=fails)

    def settings(self, sets: Mapping[str, Any]) -> dict[str, str]:
        """Clients outside come by node ports where the cluster is ours; what `sets` says comes last."""
        told: dict[str, Any] = {
            "image.registry": os.environ.get("REGISTRY", ""),
            "image.tag": os.environ.get("TAG", ""),
        }
        if self.is_old:
            told["minimumKubernetesVersion"] = ".".join(map(str, self.version))
        if self.local:
            for component in EXPOSED:
                told[f"{component}.exposure"] = {"type": "NodePort", "addresses": [self.node_address]}
        return {key: json.dumps(value) for key, value in {**told, **sets}.items()}

    def uninstall(self) -> None:
        """The release; volumes, the authority's Secret and the genesis stay."""
        self.helm("uninstall", self.release, "--wait", "--ignore-not-found")

    def clear(self) -> None:
        """The namespace with all that is in it. The volumes of a one-node cluster are emptied and offered again.

        The pods first: to a namespace with pods that may take an hour to end Kubernetes comes back after half an hour.
        """
        if self.kubectl("get", "namespace", self.namespace, fails=True).returncode == 0:
            self.kubectl("delete", "statefulsets,jobs", "--all", "--wait")
            self.kubectl("delete", "pods", "--all", "--wait", f"--grace-period={CLEAR_SECONDS}")
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait")
        if self.local and not kind.usable():
            offer_volumes(Place.default(), Api(Place.default()))


def finish(
    command: Sequence[str], fails: bool, given: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    told = {**os.environ, "ESSAIM_PYTHON": sys.executable, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=given, env=told)
    if done.returncode and not fails:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise DeploymentError(f"{Path(command[0]).name} {command[1]} failed: {said[-1]}")
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="deployment", description=__doc__)
    parser.add_argument("action", choices=("up", "down"))
    action = parser.parse_args().action
    try:
        deployment = Deployment.find()
        if action == "up":
            deployment.load_images()
            print(deployment.install(os.environ.get("VALUES") or CHART / "ci" / "tiny-values.yaml"))
        else:
            deployment.uninstall()
    except (DeploymentError, RefusedError, helm.NoHelmError) as error:
        print(f"deployment: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
