"""Why a node does not start, and how its process says so."""

import sys
from typing import NoReturn

WRONG_SETTING = 2


class StartError(Exception):
    """One sentence for the operator, without secrets; the process ends with exit code 2."""


def end(sentence: str) -> NoReturn:
    """One sentence for the operator, exit code 2."""
    sys.stderr.write(sentence + "\n")
    sys.exit(WRONG_SETTING)
