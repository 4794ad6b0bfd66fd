"""One run of the whole story, with every packet of every place; and what the nodes kept of what TLS hides."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from capture.packet import Packet, packets
from capture.recorder import recorded
from capture.story import PLACES
from capture.switch import switch

STORY_SECONDS = 230


@dataclass(frozen=True)
class Captured:
    """What there is to look at."""

    told: Mapping
    files: Mapping[str, Path]
    addresses: Mapping[str, str]
    folder: Path

    def at(self, name: str) -> list[Packet]:
        return list(packets(self.files[name]))


@pytest.fixture(scope="session")
def captured(tmp_path_factory) -> Captured:
    lacking = [name for name in ("ip", "nsenter", "tcpdump") if shutil.which(name) is None]
    if os.geteuid() != 0 or lacking:
        pytest.skip(f"capturing needs root, ip, nsenter and tcpdump ({', '.join(lacking) or 'not root'})")
    folder = tmp_path_factory.mktemp("capture")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with switch(PLACES) as places, recorded(places, folder / "packets") as files:
        command = [*places.enter("control"), sys.executable, "-m", "capture.story", str(folder), places.prefix]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=STORY_SECONDS, env=environment
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout.splitlines()[-1])
        addresses = dict(places.addresses)
    return Captured(told, files, addresses, folder)
