#!/usr/bin/env python3
"""Generates client stubs from protos/ for python, go or ts into a folder of your choice."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from generate_protos import generate, proto_files

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
# language -> the plugins that protoc calls, and the command that installs each
PLUGINS = {
    "go": {
        "protoc-gen-go": "go install google.golang.org/protobuf/cmd/protoc-gen-go@latest",
        "protoc-gen-go-grpc": "go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@latest",
    },
    "ts": {"protoc-gen-es": "npm install -g @bufbuild/protoc-gen-es"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lang", required=True, help="python, go or ts")
    parser.add_argument("--out", type=Path, required=True, help="the folder that receives the stubs")
    options = parser.parse_args()
    if options.lang != "python" and options.lang not in PLUGINS:
        print(f"stubs: no such language: {options.lang!r}; choose python, go or ts", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    if options.lang == "python":
        generate(PROTOS, options.out)
        status = 0
    else:
        status = foreign(options.lang, options.out)
    if status == 0:
        print(f"stubs: {options.lang} written to {options.out}")
    return status


def foreign(language: str, out: Path) -> int:
    """Stubs through an external plugin; 2 and one sentence when the plugin is not installed."""
    for plugin, install in PLUGINS[language].items():
        if not shutil.which(plugin):
            print(f"stubs: {plugin} is missing; install it with: {install}", file=sys.stderr)
            return 2
    sources = [str(source.relative_to(PROTOS)) for source in proto_files(PROTOS)]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}"]
    command += go_options(out, sources) if language == "go" else [f"--es_out={out}", "--es_opt=target=ts"]
    return subprocess.run([*command, *sources], check=False).returncode


def go_options(out: Path, sources: list[str]) -> list[str]:
    """The protos name no Go package, so each file is told its own, below essaim.example/gen, for both plugins."""
    options = []
    for kind in ("go", "go-grpc"):
        options += [f"--{kind}_out={out}", f"--{kind}_opt=paths=source_relative"]
        for source in sources:
            folder = Path(source).parent
            options.append(f"--{kind}_opt=M{source}=essaim.example/gen/{folder};{folder.parts[1]}{folder.parts[2]}")
    return options


if __name__ == "__main__":
    sys.exit(main())
