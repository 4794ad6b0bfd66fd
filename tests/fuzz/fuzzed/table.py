"""All parsers, by name: the part before the dot is the family, a module of `fuzzed.harness`."""

from importlib import import_module

from fuzzed.parser import Parser

FAMILIES = {
    "onion": "onion",
    "link": "link",
    "view": "view",
    "discovery": "discovery",
    "mailbox": "mailbox",
    "replica": "replica",
    "client": "client",
    "e2e": "endtoend",
    "linking": "linking",
    "messaging": "messaging",
    "attachment": "attachment",
    "media": "media",
    "opengroup": "opengroup",
    "push": "push",
    "group": "group",
    "export": "export",
}


def family(name: str) -> dict[str, Parser]:
    """The parsers of one family, in its order. KeyError where there is none."""
    return {parser.name: parser for parser in import_module(f"fuzzed.harness.{FAMILIES[name]}").PARSERS}


def every() -> dict[str, Parser]:
    """All of them: everything is imported."""
    return {name: parser for each in FAMILIES for name, parser in family(each).items()}
