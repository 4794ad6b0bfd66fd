"""`essaim-discovery genesis`: makes keys (authorities, operator), discovery's certificate, and the genesis."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from essaim.protocol.geometry import Suite
from essaim.protocol.view import Genesis, MalformedError, Parameters, SwarmSizes
from essaim.protocol.view.genesis import MAX_AUTHORITIES
from essaim.runtime.arguments import Arguments
from essaim.runtime.identity import load_identity
from essaim.runtime.refusal import WRONG_SETTING, StartError
from essaim.runtime.volume import PUBLIC_MODE, Hold, write_durably
from essaim_discovery.admission import admit_operator, make_operator_key
from essaim_discovery.authority import make_authority_keys

PROGRAM = "essaim-discovery genesis"
MAX_NAME = 32


def found(arguments: Sequence[str]) -> int:
    """The exit code: 0, or 2 with one sentence on standard error."""
    try:
        options = _parser().parse_args(arguments)
        _found(options, _parameters(options))
    except (StartError, MalformedError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return WRONG_SETTING
    return 0


def _found(options: argparse.Namespace, parameters: Parameters) -> None:
    out: Path = options.out
    if not 0 < len(options.network_name) <= MAX_NAME:
        raise StartError("--network-name must have 1 to 32 letters.")
    if not 0 < options.authorities <= MAX_AUTHORITIES:
        raise StartError("--authorities must be 1 to 100.")
    if out.exists():
        raise StartError("the genesis file (--out) exists already and is not overwritten.")
    hold = Hold(options.data_dir)
    try:
        certificate = load_identity(options.data_dir).certificate.der
        keys = make_authority_keys(options.data_dir, options.authorities)
        admit_operator(options.data_dir, make_operator_key(options.data_dir).public.raw)
        created_ms = time.time_ns() // 1_000_000
        genesis = Genesis.create(options.network_name, keys, parameters, [certificate], created_ms)
        write_durably(out, genesis.signed, PUBLIC_MODE)
    except OSError as error:
        raise StartError(f"the genesis file (--out) cannot be written ({type(error).__name__}).") from None
    finally:
        hold.release()


def _parameters(options: argparse.Namespace) -> Parameters:
    parameters = Parameters(
        x25519_period_seconds=options.x25519_period_seconds,
        kem_period_seconds=options.kem_period_seconds,
        view_min_interval_ms=options.view_min_interval_ms,
        swarm_sizes=SwarmSizes(options.swarm_min, options.swarm_target, options.swarm_max),
        suites=options.suites,
        distinct_operators=options.distinct_operators,
        distinct_prefixes=options.distinct_prefixes,
        distinct_regions=options.distinct_regions,
        uptime_seconds=options.uptime_seconds,
        away_seconds=options.away_seconds,
        drop_seconds=options.drop_seconds,
        fresh_seconds=options.fresh_seconds,
        valid_seconds=options.valid_seconds,
    )
    parameters.check()
    return parameters


def _parser() -> Arguments:
    parser = Arguments(prog=PROGRAM, description="Make a network: keys in the data folder, and its genesis.")
    parser.add_argument("--data-dir", type=Path, required=True, help="discovery's own folder")
    parser.add_argument("--out", type=Path, required=True, help="file that receives the signed genesis")
    parser.add_argument("--network-name", required=True, help="1 to 32 letters")
    parser.add_argument("--authorities", type=_number, default=1, help="authority keys to make, 1 to 100 (default 1)")
    default = Parameters()
    sizes = default.swarm_sizes
    numbers = {
        "view-min-interval-ms": (default.view_min_interval_ms, "least milliseconds between two views"),
        "swarm-min": (sizes.minimum, "nodes that form the first swarm, and that a swarm keeps"),
        "swarm-target": (sizes.target, "spares that form a further swarm; it takes so many members"),
        "swarm-max": (sizes.maximum, "most members of a swarm (none has more than its target yet)"),
        "x25519-period-seconds": (default.x25519_period_seconds, "period of the X25519 onion keys"),
        "kem-period-seconds": (default.kem_period_seconds, "period of the ML-KEM onion keys"),
        "uptime-seconds": (default.uptime_seconds, "a node proves its uptime this often"),
        "away-seconds": (default.away_seconds, "without a proof for so long it is AWAY"),
        "drop-seconds": (default.drop_seconds, "and for so long it is dropped"),
        "fresh-seconds": (default.fresh_seconds, "a view is replaced at this age"),
        "valid-seconds": (default.valid_seconds, "and refused beyond this age"),
    }
    for name, (value, words) in numbers.items():
        parser.add_argument(f"--{name}", type=_number, default=value, help=f"{words} (default {value})")
    parser.add_argument("--suites", type=_suites, default=default.suites, help="onion suites allowed, best first (2,1)")
    for name in ("operators", "prefixes", "regions"):
        parser.add_argument(f"--distinct-{name}", action="store_true", help=f"no path has two of one ({name})")
    return parser


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError("must be a whole number below 2^32")
    return number


def _suites(text: str) -> tuple[Suite, ...]:
    try:
        return tuple(dict.fromkeys(Suite(int(part)) for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError("must be suite numbers with commas between them, like 2,1") from None
