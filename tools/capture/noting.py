"""`python -m capture.noting SERVICE FLAG...`: a node that keeps what TLS hides from the wire, as it was inside.

A relay keeps every cell which came and what it made of it (came.cells, left.cells), a storage node what it told push
hosts (told.wakes), a push host what it was told (came.wakes), each in its data folder. So that is compared which a
packet would not show. It changes the service's modules in its own process, for the proof alone.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CAME, LEFT = "came.cells", "left.cells"
TOLD_WAKES, CAME_WAKES = "told.wakes", "came.wakes"
LENGTH = 4
Keep = Callable[[bytes], None]


def _keeper(folder: Path, name: str) -> Keep:
    file = open(folder / name, "ab", buffering=0)  # noqa: SIM115, PTH123  # for as long as the process lives
    return lambda piece: _none(file.write(len(piece).to_bytes(LENGTH) + piece))


def _none(_written: object) -> None:
    """What a file says is nobody's concern."""


def note_cells(folder: Path) -> None:
    """Of a relay, from now on."""
    forwarding: Any = importlib.import_module("essaim_relay.forwarding")
    came, left = _keeper(folder, CAME), _keeper(folder, LEFT)
    unwrap, forward = forwarding.unwrap, forwarding.ReplyRelay.forward

    def unwrapped(cell: bytes, *rest: Any) -> Any:
        step = unwrap(cell, *rest)
        if isinstance(step, forwarding.Forward):
            came(cell)
            left(step.cell)
        return step

    def forwarded(self: Any, seq: int, cell: bytes) -> bytes:
        layered: bytes = forward(self, seq, cell)
        came(cell)
        left(layered)
        return layered

    forwarding.unwrap = unwrapped
    forwarding.ReplyRelay.forward = forwarded


def note_told(folder: Path) -> None:
    """Of a storage node: whatever it has for a push host."""
    hosts: Any = importlib.import_module("essaim_storage.hosts")
    told, send = _keeper(folder, TOLD_WAKES), hosts.Hosts.send

    def sent(self: Any, to: bytes, batch: Any) -> None:
        told(batch.encode())
        send(self, to, batch)

    hosts.Hosts.send = sent


def note_wakes(folder: Path) -> None:
    """Of a push host: whatever storage nodes say."""
    intake: Any = importlib.import_module("essaim_push.intake")
    came, on_message = _keeper(folder, CAME_WAKES), intake.Intake.on_message

    def heard(self: Any, node_id: bytes, message: bytes) -> None:
        came(message)
        on_message(self, node_id, message)

    intake.Intake.on_message = heard


NOTING: Mapping[str, Callable[[Path], None]] = {"relay": note_cells, "storage": note_told, "push": note_wakes}


def pieces(file: Path) -> list[bytes]:
    """What was kept, one by one."""
    data, found, at = file.read_bytes(), [], 0
    while at + LENGTH <= len(data):
        length = int.from_bytes(data[at : at + LENGTH])
        found.append(data[at + LENGTH : at + LENGTH + length])
        at += LENGTH + length
    return found


if __name__ == "__main__":
    service = sys.argv.pop(1)
    folder = Path(sys.argv[sys.argv.index("--data-dir") + 1])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    NOTING[service](folder)
    importlib.import_module(f"essaim_{service}.__main__").main()
