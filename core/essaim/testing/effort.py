"""How hard property tests try: the same examples at every run by default, many times as many fresh ones for a proof."""

import os

EFFORT = int(os.environ.get("ESSAIM_EFFORT", "1"))
"""1 in `make test`; `make prove` and `make fuzz` set more."""


def examples(count: int) -> int:
    """How many examples a test of `count` is to try now."""
    return count * EFFORT
