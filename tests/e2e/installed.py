"""The network of the story: what is installed, its pods and views, and the people outside."""

import subprocess
import time
from pathlib import Path

from correspondence import Correspondence
from deployment import Deployment
from essaim.protocol.view import NetworkView

VALUES = Path(__file__).parent / "small-values.yaml"
READY_SECONDS = 300


class Network:
    """What the steps hand on."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.sets: dict[str, object] = {}
        self.people: Correspondence
        self._met = False

    def meet(self, people: Correspondence) -> None:
        """From now on there are people outside."""
        people.__enter__()
        self.people, self._met = people, True

    def say_goodbye(self) -> None:
        """They leave, if they ever came."""
        if self._met:
            self._met = False
            self.people.__exit__()

    def upgrade(self, **sets: object) -> subprocess.CompletedProcess[str]:
        """`helm upgrade` with these values beside those of before."""
        told = {**self.sets, **{key.replace("__", "."): value for key, value in sets.items()}}
        done = self.deployment.attempt(VALUES, sets=told)
        if done.returncode == 0:
            self.sets = told
        return done

    def pods(self, component: str = "") -> dict[str, dict]:
        """By name: the nodes' own, those that are not ending."""
        selector = f"app.kubernetes.io/instance={self.deployment.release},app.kubernetes.io/component"
        selector += f"={component}" if component else " in (discovery,relay,storage)"
        items = self.deployment.get("pods", "--selector", selector)["items"]
        return {each["metadata"]["name"]: each for each in items if "deletionTimestamp" not in each["metadata"]}

    def await_pod(self, name: str, but: str = "", component: str = "") -> dict:
        """The pod, ready, and another than the one with the uid `but`."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            pod = self.pods(component).get(name)
            if pod and pod["metadata"]["uid"] != but and is_ready(pod):
                return pod
            time.sleep(0.5)
        raise AssertionError(f"{name} was not ready within {READY_SECONDS} s")

    def await_view(self, storage: int, swarms: int) -> NetworkView:
        """The first view of discovery with so many storage nodes in so many swarms, in which nothing moves any more."""
        deadline, seen = time.monotonic() + READY_SECONDS, "no view"
        while time.monotonic() < deadline:
            view = self.people.newest_view()
            if view is not None:
                moving = sum(1 for node in view.nodes.values() if node.move_serial)
                seated = sum(len(swarm.members) for swarm in view.swarms.values())
                seen = f"{seated} storage nodes in {len(view.swarms)} swarms, {moving} moving"
                if (seated, len(view.swarms), moving) == (storage, swarms, 0):
                    return view
            time.sleep(0.5)
        raise AssertionError(f"the view did not settle within {READY_SECONDS} s: {seen}")


def is_ready(pod: dict) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
