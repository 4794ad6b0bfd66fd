"""Bringing the node up and down. Both may be called at any time, and again after they failed half-way."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from cluster import programs
from cluster.api import Api
from cluster.command import RefusedError, attempt, run
from cluster.keys import make_keys
from cluster.link import make_network, remove_network
from cluster.pause import make_pause
from cluster.place import NODE, PLUGINS, Place
from cluster.process import alive, last_words, start, stop
from cluster.volumes import offer_volumes

Say = Callable[[str], None]

PACKAGES = {  # what must be there, and the package of Debian 12 that has it
    "containerd": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "gcc": "gcc libc6-dev",
    f"{PLUGINS}/bridge": "containernetworking-plugins",
}
BUILD = Path(__file__).resolve().parent / "build-kubernetes"
STARTED = ("containerd", "etcd", "apiserver", "controllers", "scheduler", "kubelet", "proxy")
STOPPED = ("kubelet", "proxy", "scheduler", "controllers", "apiserver", "etcd")
API_SECONDS, NODE_SECONDS, CONTAINERD_SECONDS = 90.0, 90.0, 20.0


def runs(place: Place) -> bool:
    return all(alive(place, name) for name in STARTED) and Api(place).ready()


def up(place: Place, say: Say) -> None:
    """Nothing is started where all of it runs. Raises RefusedError with the call that was refused."""
    if runs(place):
        offer_volumes(place, Api(place))
        return
    demand()
    if place.exists:
        down(place, say)
    if not (place.programs / "kubelet").exists():
        say("building Kubernetes 1.20.2 from Debian's source package (about 7 minutes, once)")
        run(BUILD, place.programs)
    place.folder.mkdir(parents=True, exist_ok=True)
    say("network namespace, keys")
    make_network()
    make_keys(place)
    begin(place, say)


def begin(place: Place, say: Say) -> None:
    """The processes, each once what it needs answers."""
    start(place, "containerd", programs.containerd(place))
    start(place, "etcd", programs.etcd(place))
    start(place, "apiserver", programs.apiserver(place))
    await_that(place, "containerd", CONTAINERD_SECONDS, lambda: not ctr(place, "version").returncode)
    pause = place.folder / "pause.tar"
    make_pause(pause)
    load(place, pause)
    api = Api(place)
    await_that(place, "apiserver", API_SECONDS, api.ready)
    say("API server ready")
    for name, command in (
        ("controllers", programs.controllers(place)),
        ("scheduler", programs.scheduler(place)),
        ("kubelet", programs.kubelet(place)),
        ("proxy", programs.proxy(place)),
    ):
        start(place, name, command)
    offer_volumes(place, api)
    await_that(place, "kubelet", NODE_SECONDS, lambda: node_ready(api))
    say("node ready")


def load(place: Place, archive: Path) -> None:
    """An image from an archive into the node."""
    run("ctr", "--address", place.socket, "--namespace", "k8s.io", "images", "import", archive)


def down(place: Place, say: Say) -> None:
    """Everything of it: processes, containers, mounts, namespace, groups, state. The logs stay until the next `up`."""
    for name in STOPPED:
        stop(place, name)
    if alive(place, "containerd"):
        say("containers")
        remove_containers(place)
    stop(place, "containerd")
    remove_network()
    unmount(place.folder)
    remove_groups()
    for name in ("etcd", "kubelet", "containerd", "addresses", "volumes", "network", "keys", "run"):
        shutil.rmtree(place.folder / name, ignore_errors=True)


def remove_containers(place: Place) -> None:
    """Killed one by one, by their own runtime, until none is left."""
    for _ in range(3):
        for task in ctr(place, "tasks", "list", "--quiet").stdout.split():
            ctr(place, "tasks", "kill", "--signal", "9", task)
            ctr(place, "tasks", "delete", "--force", task)
        for container in ctr(place, "containers", "list", "--quiet").stdout.split():
            ctr(place, "containers", "delete", container)
        if not ctr(place, "containers", "list", "--quiet").stdout.split():
            return


def unmount(folder: Path) -> None:
    """Whatever is mounted below `folder`, the innermost first: what is left of pods and their volumes."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((each for each in points if each.startswith(f"{folder}/")), reverse=True):
        attempt("umount", point)


def remove_groups() -> None:
    """The empty control groups of pods that were."""
    for root in Path("/sys/fs/cgroup").glob("*/kubepods"):
        for parent, _, _ in os.walk(root, topdown=False):
            attempt("rmdir", parent)


def ctr(place: Place, *arguments: str) -> "CompletedProcess[str]":
    return attempt("ctr", "--address", place.socket, "--namespace", "k8s.io", *arguments)


def node_ready(api: Api) -> bool:
    conditions = api.get(f"/api/v1/nodes/{NODE}").get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def await_that(place: Place, name: str, seconds: float, holds: Callable[[], bool]) -> None:
    """Raises RefusedError with the last words of process `name` when it does not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        if not alive(place, name) or time.monotonic() > deadline:
            state = "does not become ready" if alive(place, name) else "ended"
            raise RefusedError(f"{name} {state}: {last_words(place, name)}")
        time.sleep(0.2)


def demand() -> None:
    """Root, and Debian's packages."""
    if os.geteuid() != 0:
        raise RefusedError("only root may make a one-node cluster; set KUBECONFIG to use another cluster.")
    missing = {package for program, package in PACKAGES.items() if not shutil.which(program)}
    if missing:
        raise RefusedError(f"programs are missing; install them with: apt-get install -y {' '.join(sorted(missing))}")
