"""The arguments of an operator's commands that are no settings: `essaim-discovery genesis` and the like."""

import argparse
from typing import NoReturn

from essaim.runtime.refusal import StartError


class Arguments(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as every setting does: a StartError in place of usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message}; --help lists the flags.")
