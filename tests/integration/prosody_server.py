"""Prosody with mod_unified_push, as Debian packages them, on loopback and in a folder of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from push_receiver import authority

MODULES = Path("/usr/lib/prosody/modules")
LACKING = "Prosody is not installed (on Debian: apt-get install prosody prosody-modules)"
PATIENCE_SECONDS = 20
USER, PASSWORD = "device", "secret"
CONFIGURATION = """
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{ "{modules}" }}
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{folder}/log" }} }}
modules_enabled = {{ "disco", "saslauth", "http", "unified_push" }}
modules_disabled = {{ "s2s", "tls" }}
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
c2s_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {xmpp} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
http_ports = {{}}
https_interfaces = {{ "127.0.0.1" }}
https_ports = {{ {https} }}
https_ssl = {{ certificate = "{folder}/chain.pem", key = "{folder}/key.pem" }}
http_external_url = "https://localhost:{https}/"
VirtualHost "localhost"
"""


@dataclass(frozen=True)
class Prosody:
    """Where it is."""

    xmpp: int
    https: int
    ca: Path


def require() -> None:
    """Skip where it lacks, fail where it must be there."""
    if shutil.which("prosody") is None or not (MODULES / "mod_unified_push").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(LACKING)
        pytest.skip(LACKING)


@contextmanager
def running(folder: Path, before: Prosody | None = None) -> Iterator[Prosody]:
    """Started, answering, and gone at the end. `before`: the one of this folder that is started again."""
    server = before or _prepared(folder)
    command = ["prosody", "-F", "--config", str(folder / "prosody.cfg.lua")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while not (_answers(server.xmpp) and _answers(server.https)):
            if process.poll() is not None or time.monotonic() > until:
                log = folder / "log"
                raise RuntimeError(f"Prosody did not start: {log.read_text()[-800:] if log.exists() else 'no log'}")
            time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait(10)


def _prepared(folder: Path) -> Prosody:
    """A folder with certificate, configuration and the device's account."""
    authority.make(folder)
    xmpp, https = _free_port(), _free_port()
    (folder / "prosody.cfg.lua").write_text(
        CONFIGURATION.format(folder=folder, modules=MODULES, xmpp=xmpp, https=https)
    )
    accounts = folder / "data" / "localhost" / "accounts"
    accounts.mkdir(parents=True)
    (accounts / f"{USER}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};\n')
    return Prosody(xmpp, https, folder / authority.CA_FILE)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
