"""Wherever a node could leave something: files, standard output and error, metrics, command line, environment."""

import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from canary.forms import Canary, Kind, needles
from testnet import Testnet

DATABASE = "mailboxes.db"
IN_DATABASE = {(Kind.MAILBOX, "raw"), (Kind.ENVELOPE, "raw"), (Kind.PUSH_ID, "raw")}
"""What storage's own database may hold."""


@dataclass(frozen=True)
class Leak:
    """A secret's form, where it was found. Never the secret: this is printed."""

    where: str
    kind: Kind
    form: str


class Traces:
    """What was found of a network, at several moments."""

    def __init__(self, net: Testnet) -> None:
        self._net = net
        self._told: dict[str, bytes] = {}

    def look(self, moment: str) -> None:
        """Note what only a living process shows; call it before a kill."""
        for name in self._net.layout.names:
            node = self._net.node(name)
            for what in ("cmdline", "environ", "comm"):
                with suppress(OSError):
                    self._told[f"{name} {what}, {moment}"] = Path(f"/proc/{node.pid}/{what}").read_bytes()
            with suppress(OSError, KeyError):
                self._told[f"{name} metrics, {moment}"] = _page(node.facts["metrics"])

    def told(self, *folders: Path) -> Mapping[str, bytes]:
        """All of it, with every file below the network's folder and these."""
        files = (file for folder in (self._net.folder, *folders) for file in folder.rglob("*") if file.is_file())
        return self._told | {f"file {file.relative_to(self._net.folder.parent)}": file.read_bytes() for file in files}


def _page(address: str) -> bytes:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
        return bytes(page.read())


def leaks(told: Mapping[str, bytes], canaries: Iterable[Canary]) -> list[Leak]:
    """Every form of every secret, everywhere but where it belongs."""
    return [leak for canary in canaries for leak in _leaks_of(told, canary)]


def _leaks_of(told: Mapping[str, bytes], canary: Canary) -> Iterator[Leak]:
    for form, needle in needles(canary).items():
        for where, content in told.items():
            if needle in content and not (DATABASE in where and (canary.kind, form) in IN_DATABASE):
                yield Leak(where, canary.kind, form)
