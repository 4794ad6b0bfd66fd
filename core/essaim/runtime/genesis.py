"""The genesis file that the settings name, or one sentence why there is none to trust."""

from pathlib import Path

from essaim.protocol.errors import ProtocolError
from essaim.protocol.view.genesis import Genesis
from essaim.runtime.refusal import StartError

MAX_BYTES = 1_000_000


def read_genesis(path: Path | None) -> Genesis:
    """Raises StartError when the file is not named, cannot be read, or is no genesis signed by all its authorities."""
    if path is None:
        raise StartError("--genesis is missing: name the file with the network's signed genesis.")
    try:
        with path.open("rb") as file:
            signed = file.read(MAX_BYTES)
    except OSError as error:
        raise StartError(f"the genesis file (--genesis) cannot be read ({type(error).__name__}).") from None
    try:
        return Genesis.parse(signed)
    except ProtocolError as error:
        raise StartError(f"the genesis file (--genesis) is refused: {error} ({error.reason}).") from None
