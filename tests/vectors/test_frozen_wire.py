"""What of wire v1 no vector shows as such: labels (labels.json), by which what is hashed, signed or derived from says
what it is, version bytes, sizes.

A new label is added to the list, with the page that names it; one that is there never leaves, and is never taken for
another text. How the wire changes: docs/protocol/README.md, "Version 1, and changes".
"""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from essaim.protocol import backup, geometry
from essaim.protocol.export import lock

ROOT = Path(__file__).parents[2]
LABELS = json.loads((Path(__file__).parent / "labels.json").read_text())
SAID = re.compile(r'b"(essaim/[^"]*)"')
PAGES = {page.stem: page.read_text() for page in (ROOT / "docs" / "protocol").glob("*.md")}
PLACES = ("core/essaim", "client/essaim_client", "services")


def said() -> set[str]:
    sources = (source for place in PLACES for source in (ROOT / place).rglob("*.py"))
    return {label for source in sources for label in SAID.findall(source.read_text())}


def test_code_has_the_labels_of_the_list_and_no_others() -> None:
    assert said() == set(LABELS["wire"]) | set(LABELS["local"])


@pytest.mark.parametrize("label", LABELS["wire"])
def test_label_is_of_v1_and_named_where_the_list_says(label: str) -> None:
    assert label.endswith("/v1")
    assert label in PAGES[LABELS["wire"][label]]


def test_local_labels_are_on_no_wire() -> None:
    """What one program derives for itself may change with the program; no page may ask for it."""
    assert not [label for label in LABELS["local"] if any(label in page for page in PAGES.values())]


def test_every_label_of_a_page_is_in_the_list() -> None:
    named = {label for page in PAGES.values() for label in re.findall(r"essaim/[a-z-]+(?:/[a-z-]+)?/v\d+", page)}
    folders = {label for label in named if (ROOT / "protos" / label).is_dir()}
    assert named - folders == set(LABELS["wire"]) - folders


VERSIONS = (
    "account.ID_VERSION",
    "geometry.VERSION",
    "group.record.VERSION",
    "link.hello.LINK_VERSION",
    "mailbox.cursor.VERSION",
    "manifest.FORMAT",
    "moving.VERSION",
    "opengroup.direct.VERSION",
    "prekeys.VERSION",
    "private_inbox.VERSION",
    "push.endpoint.VERSION",
    "push.preview.VERSION",
    "push.registration.VERSION",
    "sealed.VERSION",
)


@pytest.mark.parametrize("name", VERSIONS)
def test_version_byte_is_1(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(f"essaim.protocol.{module}"), attribute) == 1


def test_files_name_their_version() -> None:
    assert (backup.MAGIC, lock.MAGIC) == (b"ESSAIMBACKUP1", b"ESSAIMEXPORT1")


def test_sizes_are_those_of_v1() -> None:
    """Whoever sees an envelope or a cell of another size knows who made it."""
    assert geometry.ENVELOPE_SIZES == (4_096, 10_240, 57_344, 253_952)
    assert geometry.CELL_SIZES == (16_384, 65_536, 262_144)
    assert (geometry.MAX_LAYERS, geometry.MESSAGE_LIMIT) == (4, 264_192)
