"""`python -m essaim_client.linkgrade NETWORK_FILE`: one line for each link; exit code 0 all A, 1 not, 2 cannot tell."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis
from essaim_client.linkgrade.deployment import GradedLink, grade_deployment
from essaim_client.linkgrade.grade import Grade
from essaim_client.network_file import NetworkFile, NetworkFileError

BELOW_TOP, CANNOT_TELL = 1, 2


def main() -> int:
    """The command."""
    options = _options()
    try:
        graded = asyncio.run(grade_deployment(_network(options)))
    except ProtocolError as error:
        print(f"linkgrade: {error} ({error.reason})", file=sys.stderr)
        return CANNOT_TELL
    if options.json:
        print(json.dumps([_flat(each) for each in graded]))
    else:
        print("\n".join(map(_line, graded)))
    return 0 if all(each.grade is Grade.A for each in graded) else BELOW_TOP


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="linkgrade", description="Dial every link of a deployment and grade it.")
    parser.add_argument("network", type=Path, help="network file, or the genesis where --seed is given")
    parser.add_argument("--seed", help="ip:port of discovery")
    parser.add_argument("--json", action="store_true", help="one JSON list on standard output")
    return parser.parse_args()


def _network(options: argparse.Namespace) -> NetworkFile:
    if options.seed is None:
        return NetworkFile.load(options.network)
    try:
        return NetworkFile(Genesis.parse(options.network.read_bytes()), (options.seed,))
    except OSError:
        raise NetworkFileError("the genesis cannot be read") from None


def _flat(link: GradedLink) -> dict[str, object]:
    findings = {each.what: {"grade": each.grade.value, "words": each.words} for each in link.findings}
    return {"name": link.name, "address": link.address, "grade": link.grade.value, "findings": findings}


def _line(link: GradedLink) -> str:
    return f"{link.grade.value}  {link.name:18} {link.address:22} {_words(link)}"


def _words(link: GradedLink) -> str:
    """What lowers the grade; else how good it is."""
    bad: Sequence[str] = [f"{each.what}: {each.words}" for each in link.findings if each.grade is not Grade.A]
    return "; ".join(bad or [each.words for each in link.findings[:3]])


if __name__ == "__main__":
    sys.exit(main())
