"""What a process is told, read apart: pydantic and its models are 12 MB of a node's memory, and needed once."""

from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from essaim.runtime.apart import apart


def told(kind: str) -> Any:
    """The settings of this process as `essaim.runtime.settings.load` reads them: each field and each property.

    `kind`: "essaim_relay.settings:RelaySettings". This process never imports it. Ends the process as `load` does.
    """
    return SimpleNamespace(**apart(partial(_facts, *kind.split(":"))))


def _facts(module: str, name: str) -> dict[str, object]:
    from essaim.runtime.settings import facts_of, load  # in the fork alone

    return facts_of(load(getattr(import_module(module), name)))
