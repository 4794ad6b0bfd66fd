"""`essaim-discovery retire|decommission|recommission NODE`: an authority's word; `... admit NODE`: an operator's."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from essaim.discovery.v1 import discovery_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.view import Genesis
from essaim.protocol.view.admission import admit
from essaim.runtime.address import Address
from essaim.runtime.arguments import Arguments
from essaim.runtime.clock import SystemClock
from essaim.runtime.discovery_client import DiscoveryClient
from essaim.runtime.genesis import read_genesis
from essaim.runtime.operator import read_operator_key
from essaim.runtime.refusal import WRONG_SETTING, StartError
from essaim_discovery.authority import load_authority_keys

NODE_ID_DIGITS = 64
VERBS = ("retire", "decommission", "recommission", "admit")


def order(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 when discovery refused or does not answer, 2 for wrong input; with one sentence each."""
    try:
        options = _parser().parse_args(arguments)
        genesis = read_genesis(options.genesis)
        if options.verb == "admit":
            _admit(options, genesis)
        else:
            asyncio.run(_submit(options, genesis))
    except (StartError, ValueError) as error:
        sys.stderr.write(f"essaim-discovery {arguments[0]}: {error}\n")
        return WRONG_SETTING
    except ProtocolError as error:
        sys.stderr.write(f"essaim-discovery {arguments[0]}: {error}.\n")
        return 1
    return 0


def _admit(options: argparse.Namespace, genesis: Genesis) -> None:
    if options.operator_key is None:
        raise StartError("--operator-key names the file with the operator's key.")
    operator = read_operator_key(options.operator_key)
    word = admit(operator, genesis.network_id, options.node)
    sys.stdout.write(f"--operator-id {operator.public.raw.hex()} --admission {word.hex()}\n")


async def _submit(options: argparse.Namespace, genesis: Genesis) -> None:
    if options.discovery is None or options.data_dir is None:
        raise StartError("--discovery (ip:port) and --data-dir (with the authority's key) are needed.")
    authority, now_ms = load_authority_keys(options.data_dir)[0], SystemClock().now_ms
    certificates, address = genesis.discovery_certificates, str(options.discovery)
    async with DiscoveryClient(address, certificates, genesis.network_id, authority, now_ms) as discovery:
        await discovery.submit(_transaction(options))


def _transaction(options: argparse.Namespace) -> discovery_pb2.Transaction:
    match options.verb:
        case "retire":
            retire = discovery_pb2.Retire(node_id=options.node, gone=options.gone)
            return discovery_pb2.Transaction(retire=retire)
        case "decommission":
            return discovery_pb2.Transaction(decommission=discovery_pb2.Decommission(node_id=options.node))
        case _:
            return discovery_pb2.Transaction(recommission=discovery_pb2.Recommission(node_id=options.node))


def _parser() -> Arguments:
    parser = Arguments(prog="essaim-discovery", description=__doc__)
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("node", type=_node_id, help="the node's id, 64 hexadecimal digits")
    parser.add_argument("--genesis", type=Path, required=True, help="file with the signed genesis")
    parser.add_argument("--discovery", type=Address.parse, help="ip:port of discovery")
    parser.add_argument("--data-dir", type=Path, help="folder with authority.key")
    parser.add_argument("--gone", action="store_true", help="retire: it never comes back, its data is not waited for")
    parser.add_argument("--operator-key", type=Path, help="admit: file with the operator's key")
    return parser


def _node_id(text: str) -> bytes:
    if len(text) != NODE_ID_DIGITS or set(text) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError("must be 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)
