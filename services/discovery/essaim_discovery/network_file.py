"""`essaim-discovery network-file`: what an operator hands to people, so that their clients find the network.

{"genesis": base64 of SignedGenesis, "seeds": ["ip:port", ...]}         docs/protocol/client.md
"""

import argparse
import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from essaim.runtime.address import Address
from essaim.runtime.arguments import Arguments
from essaim.runtime.genesis import read_genesis
from essaim.runtime.refusal import WRONG_SETTING, StartError

PROGRAM = "essaim-discovery network-file"


def hand_out(arguments: Sequence[str]) -> int:
    """The exit code: 0 with the file on standard output, or 2 with one sentence on standard error."""
    try:
        options = _parser().parse_args(arguments)
        genesis = read_genesis(options.genesis)
    except StartError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return WRONG_SETTING
    content = {"genesis": base64.b64encode(genesis.signed).decode(), "seeds": [str(seed) for seed in options.seeds]}
    sys.stdout.write(json.dumps(content, indent=1) + "\n")
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog=PROGRAM, description="Print the network file that clients are given.")
    parser.add_argument("--genesis", type=Path, required=True, help="file with the signed genesis")
    parser.add_argument("seeds", type=_seed, nargs="+", metavar="IP:PORT", help="discovery, as clients reach it")
    return parser


def _seed(text: str) -> Address:
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}") from None
    if address.is_unspecified or not address.port:
        raise argparse.ArgumentTypeError("must be an address that others can dial, not 0.0.0.0 and not port 0")
    return address
