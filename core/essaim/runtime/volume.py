"""Files on the node's own volume: written whole or not at all, and held by one process at a time."""

import fcntl
import os
from pathlib import Path

from prometheus_client import Gauge

from essaim.runtime.refusal import StartError

SECRET_MODE = 0o600
PUBLIC_MODE = 0o644
FREE = Gauge("essaim_volume_free_bytes", "Bytes that this process may still write on the volume of its data.")
SIZE = Gauge("essaim_volume_size_bytes", "Bytes of the volume of this node's data.")


def watch_volume(folder: Path) -> None:
    """Its gauges; the file system is asked when they are read."""
    FREE.set_function(lambda: _blocks(folder).f_bavail * _blocks(folder).f_frsize)
    SIZE.set_function(lambda: _blocks(folder).f_blocks * _blocks(folder).f_frsize)


def _blocks(folder: Path) -> os.statvfs_result:
    return os.statvfs(folder)


def write_durably(path: Path, content: bytes, mode: int = SECRET_MODE) -> None:
    """Replace `path` by `content`: after a crash there is the old file or the new one, never a part of it.

    File and folder are fsynced; the folder is made, readable by its owner alone.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Hold:
    """A lock on a data folder, for as long as the process lives: two nodes with one identity would harm each other."""

    def __init__(self, folder: Path) -> None:
        """Raises StartError when another process holds the folder or it cannot be written."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = (folder / "lock").open("wb")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StartError("another process runs on this data folder.") from None
        except OSError as error:
            raise StartError(f"the data folder cannot be used ({type(error).__name__}).") from None

    def release(self) -> None:
        self._file.close()
