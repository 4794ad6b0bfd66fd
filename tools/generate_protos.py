#!/usr/bin/env python3
"""Generates the Python stubs (messages, gRPC, types) from protos/; import path = proto path.

Nothing is done when neither a proto nor a generator has changed since the last run. Files are replaced one by one, and
only where their content differs, so that a running test never sees half of them.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.resources
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATORS = ("grpcio-tools", "mypy-protobuf")
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protos", type=Path, default=ROOT / "protos", help="the folder with the .proto files")
    parser.add_argument("--out", type=Path, default=ROOT / "core", help="the folder that receives essaim/<area>/v1/")
    parser.add_argument("--stamp", type=Path, help="a file that remembers what was generated")
    options = parser.parse_args()
    return refresh(options.protos, options.out, options.stamp)


def refresh(protos: Path, out: Path, stamp: Path | None) -> int:
    """Generate unless `stamp` says that it was done for exactly these inputs; the exit code."""
    digest = fingerprint(protos)
    if stamp and stamp.is_file() and stamp.read_text() == digest and all(map(Path.is_file, expected(protos, out))):
        return 0
    try:
        generate(protos, out)
    except subprocess.CalledProcessError as refused:
        sys.stderr.write(refused.stderr)
        return 1
    if stamp:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest)
    return 0


def generate(protos: Path, out: Path) -> None:
    """Write essaim/<area>/v1/*_pb2{,_grpc}.py{,i} below `out`; CalledProcessError carries protoc's own words."""
    sources = proto_files(protos)
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        if sources:
            run_protoc(protos, fresh, sources)
            add_packages(fresh)
        move(fresh, out)


def proto_files(protos: Path) -> list[Path]:
    """Ours only: the Python of protos/google comes with googleapis-common-protos."""
    return sorted((protos / "essaim").rglob("*.proto"))


def fingerprint(protos: Path) -> str:
    """SHA-256 over the versions of the generators, this file and every proto with its path."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in GENERATORS:
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for source in proto_files(protos):
        digest.update(f"{source.relative_to(protos)} ".encode() + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def expected(protos: Path, out: Path) -> Iterator[Path]:
    for source in proto_files(protos):
        yield out / source.relative_to(protos).with_name(f"{source.stem}_pb2.py")


def run_protoc(protos: Path, out: Path, sources: list[Path]) -> None:
    import grpc_tools

    includes = [protos, Path(str(importlib.resources.files(grpc_tools))) / "_proto"]
    command = [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc"]
    command += [f"-I{include}" for include in includes]
    command += [f"--plugin={name}={plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    command += [f"--{kind}_out={out}" for kind in ("python", "grpc_python")]
    command += [f"--mypy_out=quiet:{out}", f"--mypy_grpc_out=quiet,only_async:{out}"]
    subprocess.run([*command, *map(str, sources)], check=True, capture_output=True, text=True)


def plugin(name: str) -> str:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    found = shutil.which(name, path=path)
    if not found:
        raise FileNotFoundError(f"{name} is missing; it comes with mypy-protobuf: run `make setup`")
    return found


def add_packages(fresh: Path) -> None:
    for folder in sorted({parent for file in fresh.rglob("*.py") for parent in file.relative_to(fresh).parents}):
        if len(folder.parts) > 1:
            (fresh / folder / "__init__.py").write_text('"""Generated from protos/ by `make protos`."""\n')


def move(fresh: Path, out: Path) -> None:
    """Bring `fresh` to `out`, file by file where they differ, and remove stubs whose proto is gone."""
    made = {file.relative_to(fresh) for file in fresh.rglob("*") if file.is_file()}
    for name in sorted(made):
        target = out / name
        content = (fresh / name).read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(target)
    stale = {file for pattern in GENERATED for file in out.glob(f"essaim/*/v*/{pattern}")}
    for file in stale - {out / name for name in made}:
        file.unlink()


if __name__ == "__main__":
    sys.exit(main())
