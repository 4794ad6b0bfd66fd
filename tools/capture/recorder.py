"""tcpdump at every place, from before the first process to after the last."""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from capture.switch import INTERFACE, Switch

START_SECONDS = 10.0


class LostPacketsError(RuntimeError):
    """The record is not whole, so it proves nothing."""


@contextmanager
def recorded(places: Switch, folder: Path) -> Iterator[Mapping[str, Path]]:
    """`with` it; at its end the files are whole: a pcap for each place. Raises LostPacketsError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.pcap" for name in places.addresses}
    running = {name: _start(places, name, file) for name, file in files.items()}
    try:
        yield files
    finally:
        for process in running.values():
            process.send_signal(signal.SIGINT)
        for process in running.values():
            process.wait(20)
    for name in files:
        said = (folder / f"{name}.pcap.log").read_text()
        if "\n0 packets dropped by kernel" not in said:
            raise LostPacketsError(f"tcpdump at {name}: {said.strip().splitlines()[-1:]}")


def _start(places: Switch, name: str, file: Path) -> "subprocess.Popen[bytes]":
    command = [*places.enter(name), "tcpdump", "-i", INTERFACE, "-s", "0", "-B", "32768", "-U", "-Z", "root"]
    command.append("--immediate-mode")  # else what came in the last second is still with the kernel when it ends
    log = file.with_suffix(".pcap.log")
    with log.open("wb") as said:
        process = subprocess.Popen([*command, "-n", "-w", str(file)], stdout=said, stderr=said)
    until = time.monotonic() + START_SECONDS
    while "listening on" not in log.read_text():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"tcpdump does not start: {log.read_text()}")
        time.sleep(0.02)
    return process
