"""The container that holds a pod's namespaces: a static program of eight lines of C, as an image by itself."""

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from cluster.command import run

IMAGE = "localhost/essaim-pause:1"
SOURCE = """
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void down(int s) { _exit(0); }
static void reap(int s) { while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
    struct sigaction d = {.sa_handler = down}, r = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGINT, &d, 0); sigaction(SIGTERM, &d, 0); sigaction(SIGCHLD, &r, 0);
    for (;;) pause();
}
"""


def make_pause(archive: Path) -> None:
    """Compile it and write `archive` in the form of `docker save`. Raises RefusedError without a C compiler."""
    with tempfile.TemporaryDirectory() as name:
        source, program = Path(name) / "pause.c", Path(name) / "pause"
        source.write_text(SOURCE)
        run("gcc", "-static", "-Os", "-s", "-o", program, source)
        layer = packed({"pause": program.read_bytes()}, 0o755)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    files = {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(packed({**files, "layer.tar": layer}, 0o644))


def packed(files: dict[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
