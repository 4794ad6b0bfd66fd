"""`python -m essaim_discovery genesis`: makes the authority's key, the TLS certificate and the signed genesis file."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim.protocol.geometry import Suite
from essaim.protocol.view import Genesis, Parameters, SwarmSizes
from essaim.runtime.identity import load_identity
from essaim.runtime.refusal import StartError
from essaim.runtime.settings import WRONG_SETTING
from essaim.runtime.volume import PUBLIC_MODE, Hold, write_durably
from essaim_discovery.authority import make_key

_DEFAULT = Parameters()
_SIZES = _DEFAULT.swarm_sizes
NUMBERS = {
    "x25519_period_seconds": (_DEFAULT.x25519_period_seconds, "seconds that an X25519 onion key serves"),
    "kem_period_seconds": (_DEFAULT.kem_period_seconds, "seconds that an ML-KEM onion key serves"),
    "view_min_interval_ms": (_DEFAULT.view_min_interval_ms, "milliseconds between two views at the least"),
    "uptime_seconds": (_DEFAULT.uptime_seconds, "seconds between a node's proofs of uptime"),
    "away_seconds": (_DEFAULT.away_seconds, "seconds without a proof after which a node is AWAY"),
    "drop_seconds": (_DEFAULT.drop_seconds, "seconds without a proof after which it is dropped"),
    "fresh_seconds": (_DEFAULT.fresh_seconds, "age at which a view is replaced in any case"),
    "valid_seconds": (_DEFAULT.valid_seconds, "age beyond which a view is refused"),
}
SIZES = {"swarm_min": _SIZES.minimum, "swarm_target": _SIZES.target, "swarm_max": _SIZES.maximum}
RULES = {"distinct_operators": "operator", "distinct_prefixes": "network prefix", "distinct_regions": "region"}


def main(arguments: Sequence[str]) -> int:
    """0, or 2 with one sentence on standard error."""
    try:
        make(_options(arguments))
    except (ProtocolError, StartError, OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"essaim-discovery genesis: {told}\n")
        return WRONG_SETTING
    return 0


def make(options: argparse.Namespace) -> Genesis:
    """The genesis of one authority, whose keys are in the data folder; made there when they are not."""
    out: Path = options.out
    if out.exists():
        raise StartError("the file --out exists: a second genesis is another network.")
    parameters = parameters_of(options)
    parameters.check()
    hold = Hold(options.data_dir)
    try:
        authority = make_key(options.data_dir, os.urandom)
        certificate = load_identity(options.data_dir).certificate
    finally:
        hold.release()
    created_ms = time.time_ns() // 1_000_000
    genesis = Genesis.create(options.network_name, [authority], parameters, [certificate.der], created_ms)
    write_durably(out, genesis.signed, PUBLIC_MODE)
    return genesis


def parameters_of(options: argparse.Namespace) -> Parameters:
    """From the flags."""
    return Parameters(
        **{name: getattr(options, name) for name in NUMBERS},
        **{name: getattr(options, name) for name in RULES},
        swarm_sizes=SwarmSizes(options.swarm_min, options.swarm_target, options.swarm_max),
        suites=_suites(options.suites),
    )


def _suites(text: str) -> tuple[Suite, ...]:
    try:
        return tuple(Suite(int(code)) for code in text.split(","))
    except ValueError:
        raise ValueError("--suites is a list like 2,1: 2 is hybrid, 1 classic.") from None


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="essaim-discovery genesis", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="discovery's data folder: the keys go there")
    parser.add_argument("--out", type=Path, required=True, help="the genesis file, which everybody is given")
    parser.add_argument("--network-name", default="essaim", help="for people alone (default: %(default)s)")
    parser.add_argument("--suites", default="2,1", help="onion suites allowed, best first (default: %(default)s)")
    for name, (default, what) in NUMBERS.items():
        parser.add_argument(_flag(name), type=int, default=default, help=f"{what} (default: %(default)s)")
    for name, size in SIZES.items():
        parser.add_argument(_flag(name), type=int, default=size, help="members of a swarm (default: %(default)s)")
    for name, what in RULES.items():
        parser.add_argument(_flag(name), action="store_true", help=f"no two nodes of one {what} on a path")
    return parser.parse_args(arguments)
