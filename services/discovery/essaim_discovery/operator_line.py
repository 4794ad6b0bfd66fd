"""`essaim-discovery operator`: the line that lets an operator's nodes in, of a key that is made where there is none."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from essaim.protocol.keys import SEED_SIZE
from essaim.runtime.arguments import Arguments
from essaim.runtime.identity import Random
from essaim.runtime.operator import read_operator_key
from essaim.runtime.refusal import WRONG_SETTING, StartError
from essaim.runtime.volume import write_durably

PROGRAM = "essaim-discovery operator"


def introduce(arguments: Sequence[str], random: Random = os.urandom) -> int:
    """The exit code: 0 with the line on standard output, or 2 with one sentence on standard error."""
    try:
        options = _parser().parse_args(arguments)
        _make(options, random)
        operator = read_operator_key(options.operator_key)
    except StartError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return WRONG_SETTING
    sys.stdout.write(f"operator {operator.public.raw.hex()}\n")
    return 0


def _make(options: argparse.Namespace, random: Random) -> None:
    file: Path = options.operator_key
    if file.exists():
        return
    try:
        write_durably(file, random(SEED_SIZE))
    except OSError as error:
        raise StartError(f"the operator's key (--operator-key) cannot be written ({type(error).__name__}).") from None


def _parser() -> Arguments:
    parser = Arguments(prog=PROGRAM, description="Print the line of admission.txt that lets an operator's nodes in.")
    parser.add_argument(
        "--operator-key", type=Path, required=True, help="file with the operator's key; made where there is none"
    )
    return parser
