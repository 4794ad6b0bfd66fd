"""Whether anybody asks for a name while links are dialled: by Python's resolver, or by a datagram of this process."""

import os
import sys
import threading
from pathlib import Path
from types import TracebackType

LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
LOOK_SECONDS = 0.005
TABLES = ("/proc/self/net/udp", "/proc/self/net/udp6")
_watches: "set[NameWatch]" = set()


class NameWatch:
    """`with NameWatch() as watch`, then `watch.seen`: what asked, in our own words, never the name itself.

    Python's lookups are seen by an audit hook; those of gRPC's C core, which asks by datagrams, as sockets that this
    process has (where /proc tells, else they are not seen). Numeric addresses, as all of ours are, ask nobody.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, name="names", daemon=True)

    def __enter__(self) -> "NameWatch":
        _hook()
        self._had = _datagram_sockets()
        _watches.add(self)
        self._looking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _watches.discard(self)
        self._ended.set()
        self._looking.join()

    def note(self, event: str, host: object) -> None:
        """A lookup; of a numeric address, which asks nobody, it is none."""
        if host and not _is_numeric(host):
            self.seen.append(event)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            new = _datagram_sockets() - self._had
            self._had |= new
            self.seen += ["a datagram socket"] * len(new)


def _is_numeric(host: object) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return all(letter in "0123456789abcdefABCDEF.:%[]" for letter in text) and any(mark in text for mark in ".:")


_hooked = threading.Lock()


def _hook() -> None:
    """Once in a process: an audit hook cannot be taken back."""
    if _hooked.acquire(blocking=False):
        sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event in LOOKUPS:
        for watch in tuple(_watches):
            watch.note(event, arguments[0] if arguments else None)


def _datagram_sockets() -> set[str]:
    """Inodes of this process's UDP sockets."""
    known = {line.split()[9] for table in TABLES for line in _lines(Path(table))[1:]}
    own = set()
    try:
        for each in os.scandir("/proc/self/fd"):
            try:
                own.add(os.readlink(each.path))  # noqa: PTH115  (200 times a second: no Path for each)
            except OSError:
                continue
    except OSError:
        return set()
    return {inode for inode in known if f"socket:[{inode}]" in own}


def _lines(table: Path) -> list[str]:
    try:
        return table.read_text().splitlines()
    except OSError:
        return []
