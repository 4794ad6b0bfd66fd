"""What the one-node test cluster (Kubernetes 1.20) lacks: manifests in, manifests out. CHANGES is the whole list.

The chart is made for the versions that it names; none of this is in it. What is taken out here was not proved on the
test cluster, only by schema.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One thing that the chart uses and 1.20 does not know. `apply` changes the manifest and says whether it did."""

    kind: str
    what: str
    apply: Callable[[Manifest], bool]


def without(*path: str) -> Callable[[Manifest], bool]:
    """Takes a field out."""

    def apply(manifest: Manifest) -> bool:
        for key in path[:-1]:
            manifest = manifest.get(key, {})
        return manifest.pop(path[-1], None) is not None

    return apply


def named(old: str) -> Callable[[Manifest], bool]:
    """The older name of the same API."""

    def apply(manifest: Manifest) -> bool:
        changed: bool = manifest["apiVersion"] != old
        manifest["apiVersion"] = old
        return changed

    return apply


CHANGES = (
    Change("PodDisruptionBudget", "policy/v1 (1.21) becomes policy/v1beta1", named("policy/v1beta1")),
    Change(
        "PodDisruptionBudget",
        "unhealthyPodEvictionPolicy (1.27) is left out",
        without("spec", "unhealthyPodEvictionPolicy"),
    ),
    Change("StatefulSet", "minReadySeconds (1.25) is left out", without("spec", "minReadySeconds")),
    Change(
        "StatefulSet",
        "persistentVolumeClaimRetentionPolicy (1.27) is left out",
        without("spec", "persistentVolumeClaimRetentionPolicy"),
    ),
)


def translate(manifests: list[Manifest]) -> list[str]:
    """Changes them in place; a line for each change that was made."""
    return [
        f"{manifest['kind']} {manifest['metadata']['name']}: {change.what}"
        for manifest in manifests
        for change in CHANGES
        if manifest["kind"] == change.kind and change.apply(manifest)
    ]


if __name__ == "__main__":
    given = [manifest for manifest in yaml.safe_load_all(sys.stdin) if manifest]
    translate(given)
    yaml.safe_dump_all(given, sys.stdout, sort_keys=False)
