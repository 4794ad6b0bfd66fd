"""python -m cluster up | down | load ARCHIVE... | status: a cluster for the tests of the chart.

With a docker engine and kind it is kind's; else one node of Debian's packages, by root. `up` prints the path of the
kubeconfig. Nothing is done where KUBECONFIG names a cluster already.
"""

import argparse
import os
import sys
from pathlib import Path

from cluster import kind, node
from cluster.command import RefusedError
from cluster.place import Place


def main() -> int:
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    parser.add_argument("action", choices=("up", "down", "load", "status"))
    parser.add_argument("archives", nargs="*", type=Path, help="OCI archives, as tools/images.py makes them")
    arguments = parser.parse_args()
    if told := os.environ.get("KUBECONFIG"):
        print(told)
        return 0
    try:
        return act(arguments.action, arguments.archives)
    except RefusedError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 2


def act(action: str, archives: list[Path]) -> int:
    place = Place.default()
    if action == "status":
        return 0 if kind.runs() or node.runs(place) else 1
    if action == "load":
        for archive in archives:
            kind.load(archive) if kind.usable() else node.load(place, archive)
    elif kind.usable():
        kind.up(place) if action == "up" else kind.down()
    else:
        (node.up if action == "up" else node.down)(place, say)
    if action == "up":
        print(place.kubeconfig)
    return 0


def say(what: str) -> None:
    print(f"cluster: {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
