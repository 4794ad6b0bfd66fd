"""Where everything of the cluster is: folders, and addresses in its network namespace."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

NAMESPACE = "essaim-cluster"
NODE = "essaim"
OUTER_DEVICE, INNER_DEVICE = "essaim-out", "essaim-in"
OUTER_ADDRESS = "10.245.0.1"
"""Of this machine, on the pair of devices: where clients outside the cluster come from."""
NODE_ADDRESS = "10.245.0.2"
"""Of the cluster: API server, node ports and host ports."""
OUTSIDE = "10.245.0.0/30"
GATEWAY, PODS, SERVICES = "10.244.0.1", "10.244.0.0/24", "10.96.0.0/16"
KUBERNETES_ADDRESS = "10.96.0.1"
"""The first of SERVICES: what pods are told."""
NAME_SERVER = "10.96.0.10"
"""What pods are told, though nobody answers there: who asks a name server here waits for nothing."""
API = f"https://{NODE_ADDRESS}:6443"
PLUGINS = Path("/usr/lib/cni")
BUILT = "kubernetes-1.20-2"
"""Below the cache: another name when build-kubernetes makes something else of the same sources."""


def cache() -> Path:
    """What outlives a checkout: built programs and the cluster's state. ESSAIM_CACHE names another folder."""
    return Path(os.environ.get("ESSAIM_CACHE") or Path.home() / ".cache" / "essaim").absolute()


@dataclass(frozen=True)
class Place:
    """The folders of one cluster."""

    programs: Path
    folder: Path

    @classmethod
    def default(cls) -> "Place":
        return cls(cache() / BUILT, cache() / "cluster")

    @cached_property
    def keys(self) -> Path:
        return self.folder / "keys"

    @cached_property
    def logs(self) -> Path:
        return self.folder / "log"

    @cached_property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    @cached_property
    def volumes(self) -> Path:
        return self.folder / "volumes"

    @cached_property
    def kubeconfig(self) -> Path:
        return self.keys / "admin.json"

    @property
    def exists(self) -> bool:
        return (self.folder / "run").exists()
