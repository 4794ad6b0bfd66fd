"""`python -m dashboards`: writes the chart's dashboards; --check: exit code 1 when they are stale."""

import argparse
import sys
from pathlib import Path

from dashboards.discovery import DISCOVERY
from dashboards.opengroup import OPENGROUP
from dashboards.overview import OVERVIEW
from dashboards.push import PUSH
from dashboards.relay import RELAY
from dashboards.storage import STORAGE

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "essaim" / "files" / "dashboards"
BOARDS = (OVERVIEW, RELAY, STORAGE, DISCOVERY, OPENGROUP, PUSH)


def main() -> int:
    parser = argparse.ArgumentParser(prog="dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = [board.name for board in BOARDS if _is_stale(FOLDER / f"{board.name}.json", board.json())]
    if options.check:
        for name in stale:
            sys.stderr.write(f"the dashboard {name} is out of date: make dashboards\n")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(board.json())
    return 0


def _is_stale(file: Path, text: str) -> bool:
    return not file.is_file() or file.read_text() != text


if __name__ == "__main__":
    sys.exit(main())
