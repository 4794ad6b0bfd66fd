"""Volumes of the kind `local`: folders that the kubelet hands to a pod, with the group that the pod asks for.

They are made beforehand, because nothing here provisions. One whose claim is gone is emptied and offered again.
"""

import shutil
from pathlib import Path
from typing import Any

from cluster.api import Api
from cluster.place import NODE, Place

COUNT = 40
SIZE = "20Gi"
"""What it is said to hold; nothing enforces it."""
CLASS = "essaim"
CLASSES, VOLUMES = "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def offer_volumes(place: Place, api: Api) -> None:
    """COUNT volumes, each empty or in use."""
    api.create(CLASSES, storage_class())
    for number in range(COUNT):
        name = f"essaim-{number:02}"
        folder = place.volumes / name
        if api.get(f"{VOLUMES}/{name}").get("status", {}).get("phase") in {"Released", "Failed"}:
            api.delete(f"{VOLUMES}/{name}")
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        api.create(VOLUMES, volume(name, folder))


def storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {DEFAULT_CLASS: "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def volume(name: str, folder: Path, size: str = SIZE, storage_class: str = CLASS) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            "local": {"path": str(folder)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
