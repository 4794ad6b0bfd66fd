#!/usr/bin/env python3
"""Builds the images of the services and of the client, with docker or buildah; says how large each is, and its digest.

usage: [REGISTRY=registry.example.org/essaim] [TAG=0.1.0] [BASE=image] [COMMIT=HEAD] [ENGINE=docker|buildah]
       tools/images.py [NAME...]

NAME: discovery, relay, storage, opengroup, push, client; by default all. Beside the image in the engine there are then,
in build/images, NAME.tar (an OCI archive, to be loaded where there is no registry) and NAME.cdx.json (CycloneDX: what
is in it).
The work tree is built, or with COMMIT what that commit holds: the same commit on the same BASE gives the same digest,
and every timestamp is the commit's. Without BASE docker takes the one that the Dockerfile names, buildah one that
tools/base makes on this machine. Needs nothing but Python and git.
"""

import gzip
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / "build" / "images"
NAMES = ("discovery", "relay", "storage", "opengroup", "push", "client")
LOCAL_BASE = "localhost/essaim-base:bookworm"
SBOM = "/opt/essaim/sbom.cdx.json"
INDEX = ("index-url", "extra-index-url", "proxy")
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")


class NoImageError(Exception):
    """One sentence why there is none."""


@dataclass(frozen=True)
class Docker:
    """BuildKit behind the docker command."""

    program: str = "docker"
    base: str | None = None

    def build(self, image: str, source: "Source", arguments: Sequence[str]) -> None:
        output = f"type=docker,name={image},rewrite-timestamp=true"
        call("docker", "buildx", "build", "--output", output, "--provenance=false", *arguments, str(source.folder))

    def archive(self, image: str, file: Path) -> None:
        call("docker", "save", "--output", str(file), image)

    def copy(self, image: str, path: str, to: Path) -> None:
        container = told("docker", "create", image)
        call("docker", "cp", f"{container}:{path}", str(to))
        call("docker", "rm", container)

    def layers(self, image: str) -> list[str]:
        return list(json.loads(told("docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image)))


@dataclass(frozen=True)
class Buildah:
    """No daemon; as root or in a user namespace."""

    program: str = "buildah"
    base: str | None = LOCAL_BASE

    def build(self, image: str, source: "Source", arguments: Sequence[str]) -> None:
        flags = ("--isolation", "chroot", "--timestamp", source.epoch, "--tag", image)
        call("buildah", "build", *flags, *arguments, str(source.folder))

    def archive(self, image: str, file: Path) -> None:
        file.unlink(missing_ok=True)
        name = image if "/" in image else f"docker.io/library/{image}"  # what Kubernetes takes a bare name for
        call("buildah", "push", "--quiet", image, f"oci-archive:{file}:{name}")

    def copy(self, image: str, path: str, to: Path) -> None:
        container = told("buildah", "from", "--pull-never", image)
        try:
            to.write_bytes((Path(told("buildah", "mount", container)) / path.lstrip("/")).read_bytes())
        finally:
            call("buildah", "rm", container)

    def layers(self, image: str) -> list[str]:
        return list(json.loads(told("buildah", "inspect", "--type", "image", image))["OCIv1"]["rootfs"]["diff_ids"])


Engine = Docker | Buildah


@dataclass(frozen=True)
class Source:
    """What is built: a folder, its commit, and the commit's time in seconds."""

    folder: Path
    revision: str
    epoch: str


def main(names: Sequence[str]) -> int:
    try:
        if unknown := sorted(set(names) - set(NAMES)):
            raise NoImageError(f"there is no image {unknown[0]}; there are {', '.join(NAMES)}.")
        build_all(names or NAMES)
    except NoImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 2
    return 0


def build_all(names: Sequence[str]) -> None:
    engine, base = find_engine(), os.environ.get("BASE")
    if not base and engine.base:
        base = engine.base
        call(str(ROOT / "tools" / "base"), base)
    MADE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = find_source(Path(folder) / "source")
        shared = [*secrets(Path(folder)), *(["--build-arg", f"BASE={base}"] if base else [])]
        for name in names:
            print(describe(engine, name, build(engine, source, name, shared), base), flush=True)


def find_source(folder: Path) -> Source:
    """The work tree, or what COMMIT holds, put into `folder`."""
    commit = os.environ.get("COMMIT")
    revision, epoch = told("git", "log", "-1", "--format=%H %ct", commit or "HEAD").split()
    if not commit:
        changed = told(
            "git", "status", "--porcelain", "--", "LICENSE", "core", "client", "services", "protos", "requirements"
        )
        return Source(ROOT, f"{revision}-changed" if changed else revision, epoch)
    folder.mkdir()
    packed = folder.with_suffix(".tar")
    call("git", "archive", "--output", str(packed), commit)
    with tarfile.open(packed) as tar:
        tar.extractall(folder, filter="tar")
    return Source(folder, revision, epoch)


def find_engine() -> Engine:
    """The first that answers; ENGINE names one."""
    for engine in (Docker(), Buildah()):
        wanted = os.environ.get("ENGINE", engine.program) == engine.program
        if wanted and answers(engine.program, "version"):
            return engine
    raise NoImageError("neither docker nor buildah works here; install one of them, or name it in ENGINE.")


def build(engine: Engine, source: Source, name: str, shared: Sequence[str]) -> str:
    """The image's name."""
    registry, tag = os.environ.get("REGISTRY", "").rstrip("/"), os.environ.get("TAG") or "0.1.0"
    image = f"{registry}/essaim-{name}:{tag}" if registry else f"essaim-{name}:{tag}"
    values = {"SOURCE_DATE_EPOCH": source.epoch, "VERSION": tag, "REVISION": source.revision}
    file = source.folder / ("client" if name == "client" else "services") / "Dockerfile"
    if name != "client":
        values["SERVICE"] = name
    arguments = [part for key, value in values.items() for part in ("--build-arg", f"{key}={value}")]
    engine.build(image, source, [*shared, *arguments, "--file", str(file)])
    return image


def describe(engine: Engine, name: str, image: str, base: str | None) -> str:
    """Put archive and SBOM into build/images; one line: name, digest, bytes in all and over the base."""
    archive = MADE / f"{name}.tar"
    engine.archive(image, archive)
    engine.copy(image, SBOM, MADE / f"{name}.cdx.json")
    digest, sizes = contents(archive)
    below = set(engine.layers(base)) if base else set()
    over = sum(size for layer, size in sizes.items() if layer not in below)
    line = f"{image} {digest} {sum(sizes.values()) / 1e6:.0f} MB"
    return f"{line}, {over / 1e6:.1f} MB over its base" if base else line


def contents(archive: Path) -> tuple[str, dict[str, int]]:
    """The content digest, and the bytes of each layer by its digest, all without compression.

    It is the configuration's digest, which names every layer: that of the manifest changes with the compressor.
    """
    with tarfile.open(archive) as tar:
        manifest = blob(tar, blob(tar, "index.json")["manifests"][0]["digest"])
        config = manifest["config"]["digest"]
        sizes = [unpacked(tar, layer["digest"]) for layer in manifest["layers"]]
        layers = blob(tar, config)["rootfs"]["diff_ids"]
    return config, dict(zip(layers, sizes, strict=True))


def blob(tar: tarfile.TarFile, digest: str) -> Any:
    return json.load(opened(tar, digest))


def unpacked(tar: tarfile.TarFile, digest: str) -> int:
    """Bytes of a layer that may be packed by gzip."""
    layer = opened(tar, digest)
    packed = layer.read(2) == b"\x1f\x8b"
    layer.seek(0)
    stream = gzip.GzipFile(fileobj=layer) if packed else layer
    return sum(len(part) for part in iter(lambda: stream.read(1 << 20), b""))


def opened(tar: tarfile.TarFile, digest: str) -> IO[bytes]:
    member = tar.extractfile(f"blobs/{digest.replace(':', '/')}" if ":" in digest else digest)
    if member is None:
        raise NoImageError("what the engine saved is no OCI archive.")
    return member


def secrets(folder: Path) -> list[str]:
    """How pip reaches the package index from this machine, for the build alone: nothing of it is in an image."""
    told_pip = {key: os.environ.get(f"PIP_{key.upper().replace('-', '_')}") for key in INDEX}
    lines = ["[global]", *(f"{key} = {value}" for key, value in told_pip.items() if value)]
    arguments = []
    if bundle := next((os.environ[key] for key in CERTIFICATES if os.environ.get(key)), None):
        lines.append("cert = /run/secrets/certificates")
        arguments += ["--secret", f"id=certificates,src={bundle}"]
    (folder / "pip.conf").write_text("\n".join(lines) + "\n")
    return [*arguments, "--secret", f"id=pip,src={folder / 'pip.conf'}"]


def call(*command: str) -> None:
    if subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False).returncode:
        raise NoImageError(f"`{' '.join(command[:3])}` failed; what it said is above.")


def told(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoImageError(f"`{' '.join(command[:3])}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def answers(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
