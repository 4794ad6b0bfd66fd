#!/usr/bin/env python3
"""sbom.py NAME ENVIRONMENT: a CycloneDX 1.6 list of what an image holds, as JSON on standard output.

Python distributions of the environment (its METADATA files), the Python that runs them, and the packages of Debian
below it. The same content gives the same bytes: the time is SOURCE_DATE_EPOCH, the serial number a hash of the rest.
Runs while the image is built, so it needs nothing but Python.
"""

import datetime
import json
import os
import platform
import sys
import uuid
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:essaim:sbom")
DPKG = Path("/var/lib/dpkg/status")
Component = dict[str, Any]


def main(name: str, environment: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    components = [*python_packages(packages), interpreter(), *debian_packages(DPKG)]
    components.sort(key=lambda each: str(each["bom-ref"]))
    json.dump(document(name, components), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


def document(name: str, components: list[Component]) -> dict[str, Any]:
    version = next(each["version"] for each in components if each["name"] == name)
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    content = json.dumps([name, version, seconds, components], sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, content)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "container", "bom-ref": f"image:{name}", "name": name, "version": version},
        },
        "components": components,
    }


def python_packages(folder: Path) -> list[Component]:
    found = []
    for each in distributions(path=[str(folder)]):
        name = each.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        licence = str(each.metadata.json.get("license_expression") or each.metadata.json.get("license") or "")
        found.append(component(name, each.version, f"pkg:pypi/{quote(name)}@{quote(each.version)}", licence))
    return found


def interpreter() -> Component:
    version = platform.python_version()
    return component("cpython", version, f"pkg:generic/cpython@{version}", "PSF-2.0")


def debian_packages(status: Path) -> list[Component]:
    """What dpkg says is installed; nothing where the base is no Debian."""
    stanzas = status.read_text("utf-8").split("\n\n") if status.exists() else []
    return [debian(parsed) for text in stanzas if (parsed := HeaderParser().parsestr(text.strip())).keys()]


def debian(stanza: Message) -> Component:
    name, version = stanza["Package"], stanza["Version"]
    return component(name, version, f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={stanza['Architecture']}")


def component(name: str, version: str, purl: str, licence: str = "") -> Component:
    made: Component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence and len(licence) <= 64 and "\n" not in licence:
        made["licenses"] = [{"license": {"name": licence}}]
    return made


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
