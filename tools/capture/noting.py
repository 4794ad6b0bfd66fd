"""`python -m capture.noting relay FLAG...`: a relay that keeps every cell which came and what it made of it.

TLS hides cells from the wire, so that comparing packets would prove little: this compares what is inside. It changes
the relay's modules in its own process, for the proof alone. Files in the data folder: came.cells, left.cells.
"""

import importlib
import sys
from pathlib import Path
from typing import Any, BinaryIO

forwarding: Any = importlib.import_module("essaim_relay.forwarding")
CAME, LEFT = "came.cells", "left.cells"
LENGTH = 4


def note(folder: Path) -> None:
    """From now on."""
    came, left = (open(folder / name, "ab", buffering=0) for name in (CAME, LEFT))  # noqa: SIM115, PTH123
    unwrap, forward = forwarding.unwrap, forwarding.ReplyRelay.forward

    def unwrapped(cell: bytes, *rest: Any) -> Any:
        step = unwrap(cell, *rest)
        if isinstance(step, forwarding.Forward):
            _keep(came, cell)
            _keep(left, step.cell)
        return step

    def forwarded(self: Any, seq: int, cell: bytes) -> bytes:
        layered: bytes = forward(self, seq, cell)
        _keep(came, cell)
        _keep(left, layered)
        return layered

    forwarding.unwrap = unwrapped
    forwarding.ReplyRelay.forward = forwarded


def _keep(file: BinaryIO, cell: bytes) -> None:
    file.write(len(cell).to_bytes(LENGTH) + cell)


def cells(file: Path) -> list[bytes]:
    """What was kept."""
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
    note(folder)
    importlib.import_module(f"essaim_{service}.__main__").main()
