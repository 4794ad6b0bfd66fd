"""`python -m testnet`: a network to play with, to break and to look at."""

import argparse
import sys
import tempfile
from pathlib import Path

from testnet.layout import Layout
from testnet.network import Testnet

DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "essaim-testnet"


def main() -> int:
    """0, or 1 with one sentence."""
    options = _options()
    net = Testnet(options.folder, _layout(options))
    try:
        return _run(net, options)
    except (KeyError, RuntimeError, TimeoutError, OSError) as error:
        print(f"testnet: {error}", file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="testnet", description=__doc__)
    verbs = ["up", "status", "kill", "stop", "start", "add", "retire", "drain", "down"]
    parser.add_argument("verb", choices=verbs)
    parser.add_argument(
        "name", nargs="?", help="discovery, relay-1, storage-1, opengroup-1, push-1 ...; to add: storage"
    )
    parser.add_argument("count", nargs="?", type=int, default=1, help="how many nodes to add")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="data, logs, keys (%(default)s)")
    parser.add_argument("--relays", type=int, default=Layout.relays)
    parser.add_argument("--storage", type=int, default=Layout.storage)
    parser.add_argument("--opengroups", type=int, default=1, help="hosts of open groups (%(default)s)")
    parser.add_argument("--pushes", type=int, default=1, help="push hosts (%(default)s)")
    options = parser.parse_args()
    if options.verb in {"kill", "stop", "start", "retire", "drain"} and not options.name:
        parser.error(f"{options.verb} needs the name of a node")
    if options.verb == "add" and (options.name != "storage" or options.count < 1):
        parser.error("add storage N: storage nodes alone can be added")
    return options


def _layout(options: argparse.Namespace) -> Layout:
    """What `up` was told is kept, so that the other verbs know it."""
    kept = options.folder / "layout.json"
    if options.verb != "up" and kept.exists():
        return Layout.load(kept.read_text())
    hosts = {"opengroups": options.opengroups, "pushes": options.pushes}
    layout = Layout(relays=options.relays, storage=options.storage, **hosts)
    if options.verb == "up":
        options.folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(layout.dump())
    return layout


def _run(net: Testnet, options: argparse.Namespace) -> int:
    match options.verb:
        case "up":
            net.up(lambda what, seconds: print(f"{seconds:6.1f} s  {what}"))
            print(f"a client needs: {net.network_file}")
        case "down":
            net.down()
        case "status":
            for name in net.layout.names:
                node = net.node(name)
                print(f"{name:12} {'up' if node.pid else 'down':5} {node.facts.get('address', '')}")
        case "add":
            print(" ".join(net.add_storage(options.count)))
        case verb:
            _tell(net, verb, options.name)
    return 0


def _tell(net: Testnet, verb: str, name: str) -> None:
    """Something to one node."""
    match verb:
        case "start":
            net.node(name).start()
            net.node(name).await_ready(60)
        case "kill":
            net.node(name).kill()
        case "stop":
            net.node(name).stop()
        case "retire":
            net.retire(name)
        case "drain":
            net.drain(name)


if __name__ == "__main__":
    sys.exit(main())
