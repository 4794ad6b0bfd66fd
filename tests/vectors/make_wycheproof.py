"""Selects tests/vectors/wycheproof from a checkout of C2SP/wycheproof: two tests of every kind, copied unchanged.

    make_wycheproof.py CHECKOUT/testvectors_v1

A kind: the flags, the result, the comment without its numbers, the nonce's size, and where the test came from.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

SELECTED = Path(__file__).parent / "wycheproof"
NAMES = ("chacha20_poly1305", "ed25519", "hkdf_sha256", "mlkem_768", "x25519")
OF_EACH_KIND = 2


def selected(document: dict[str, Any]) -> dict[str, Any]:
    """The document with fewer tests; `numberOfTests` says how many there are of it here."""
    seen: Counter[object] = Counter()
    groups = []
    for group in document["testGroups"]:
        tests = [test for test in group["tests"] if _counted(seen, _kind(group, test)) <= OF_EACH_KIND]
        if tests:
            groups.append({**group, "tests": tests})
    return {**document, "numberOfTests": sum(len(group["tests"]) for group in groups), "testGroups": groups}


def _kind(group: dict[str, Any], test: dict[str, Any]) -> object:
    comment = re.sub(r"[0-9a-f]*[0-9][0-9a-f]*", "", test.get("comment", ""))
    return tuple(sorted(test["flags"])), test["result"], comment, group.get("ivSize"), group["source"]["name"]


def _counted(seen: Counter[object], kind: object) -> int:
    seen[kind] += 1
    return seen[kind]


def main() -> None:
    """The command."""
    folder = Path(sys.argv[1])
    for name in NAMES:
        document = json.loads((folder / f"{name}_test.json").read_text())
        text = json.dumps(selected(document), indent=1, ensure_ascii=False)
        (SELECTED / f"{name}_test.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
