#!/usr/bin/env python3
"""Writes docs/operations/settings.md from the settings classes: what each service can be told, its default and why.

settings_table.py            writes the file
settings_table.py --check    exit code 1 when the file is not what would be written
"""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from essaim.runtime.settings import NodeSettings, flag, is_secret

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "operations" / "settings.md"
SERVICES = ("relay", "storage", "discovery", "opengroup", "push")
HEAD = """\
# Settings

Written by `tools/settings_table.py` from the settings classes; do not edit.

A setting comes from, first wins: the flag; the variable `ESSAIM_<SERVICE>_<NAME>`; a file called `<name>` in the
folder that `ESSAIM_<SERVICE>_SECRETS` names (a mounted Secret); the default. A wrong setting ends the process with one
sentence and exit code 2. Addresses are a numeric IP and a port, never a name.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the file is out of date")
    options = parser.parse_args()
    page = render()
    if options.check:
        same = PAGE.is_file() and PAGE.read_text() == page
        if not same:
            sys.stderr.write(f"{PAGE.relative_to(ROOT)} is out of date: run tools/settings_table.py\n")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    return 0


def render() -> str:
    """The whole page: first what every service has, then what each adds."""
    common = NodeSettings.model_fields
    parts = [HEAD, section("Every service", "ESSAIM_<SERVICE>_", common)]
    for kind in kinds():
        own = {name: each for name, each in kind.model_fields.items() if changed(each, common.get(name))}
        if own:
            parts.append(section(f"essaim-{kind.service}", kind.env_prefix(), own))
    return "\n".join(parts)


def kinds() -> Iterator[type[NodeSettings]]:
    """The settings class of each service that is there."""
    for service in SERVICES:
        name = f"essaim_{service}.settings"
        if importlib.util.find_spec(f"essaim_{service}") and importlib.util.find_spec(name):
            members = vars(importlib.import_module(name)).values()
            yield from (each for each in members if is_own(each, service))


def is_own(member: object, service: str) -> bool:
    return isinstance(member, type) and issubclass(member, NodeSettings) and member.service == service


def changed(field: FieldInfo, common: FieldInfo | None) -> bool:
    return common is None or (field.default, field.description) != (common.default, common.description)


def section(title: str, prefix: str, fields: dict[str, FieldInfo]) -> str:
    lines = [f"## {title}", "", "| flag, variable | default | what it is |", "| --- | --- | --- |"]
    for name, field in fields.items():
        names = f"`{flag(name)}`<br>`{prefix}{name.upper()}`"
        lines.append(f"| {names} | {default(field)} | {limits(field)} |")
    return "\n".join(lines) + "\n"


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if is_secret(field):
        return "secret"
    value = field.default
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`" if value not in (None, "") else "none"


def limits(field: FieldInfo) -> str:
    """The description, and the range where there is one."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [
        f"{sign} {getattr(each, name)}"
        for each in field.metadata
        for name, sign in signs.items()
        if hasattr(each, name)
    ]
    words = (field.description or "").replace("|", "\\|").strip()
    return f"{words} ({', '.join(found)})" if found else words


if __name__ == "__main__":
    sys.exit(main())
