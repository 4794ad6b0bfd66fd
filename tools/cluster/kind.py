"""The same cluster by kind, where a docker engine runs."""

import shutil
from pathlib import Path

from cluster.command import attempt, run
from cluster.place import Place

NAME = "essaim"


def usable() -> bool:
    return bool(shutil.which("kind") and shutil.which("docker")) and attempt("docker", "info").returncode == 0


def runs() -> bool:
    return usable() and NAME in run("kind", "get", "clusters").split()


def up(place: Place) -> None:
    place.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    if not runs():
        run("kind", "create", "cluster", "--name", NAME, "--wait", "120s")
    run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", place.kubeconfig)


def down() -> None:
    run("kind", "delete", "cluster", "--name", NAME)


def load(archive: Path) -> None:
    run("kind", "load", "image-archive", archive, "--name", NAME)
