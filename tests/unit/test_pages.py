"""The pages that a newcomer reads: every link leads somewhere, every folder and tool is named, every target exists."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
FILES = [Path(name) for name in LISTED.split("\0") if name and (ROOT / name).exists()]
PAGES = [path for path in FILES if path.suffix == ".md" and "node_modules" not in path.parts]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


def heading(line: str) -> str:
    """A heading as GitHub names it in links."""
    kept = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
    return kept.replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    for target, anchor in LINK.findall((ROOT / page).read_text()):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (ROOT / page).parent / target if target else ROOT / page
        if not file.exists():
            yield f"{page} links to {target}"
        elif anchor and file.suffix == ".md":
            headings = {heading(line) for line in file.read_text().splitlines() if line.startswith("#")}
            if anchor[1:] not in headings:
                yield f"{page} links to {target}{anchor}"


def test_links_of_the_pages_lead_somewhere() -> None:
    assert len(PAGES) > 50
    assert [broken for page in PAGES for broken in broken_links(page)] == []


def test_readme_names_every_folder_and_every_tool() -> None:
    readme = (ROOT / "README.md").read_text()
    folders = {path.parts[0] for path in FILES if len(path.parts) > 1 and not path.parts[0].startswith(".")}
    assert folders and {name for name in folders if f"`{name}/" not in readme} == set()
    tools = {path.parts[1] for path in FILES if path.parts[0] == "tools"}
    named = set(re.findall(r"`([\w.-]+?)/?`", readme))
    assert tools and tools - named == set()


def test_targets_that_the_pages_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        for line in re.findall(r"`make ([a-z][a-z0-9 -]*)", (ROOT / page).read_text()):
            assert set(line.split()) - {"-n"} <= targets, f"{page}: make {line}"


def test_index_of_the_pages_and_contributing_leave_nothing_out() -> None:
    index, contributing = (ROOT / "docs" / "README.md").read_text(), (ROOT / "CONTRIBUTING.md").read_text()
    operations = {path.as_posix().removeprefix("docs/") for path in PAGES if path.parts[:2] == ("docs", "operations")}
    assert operations and {page for page in operations if f"]({page})" not in index} == set()
    kinds = {path.parts[1] for path in FILES if path.parts[0] == "tests" and len(path.parts) > 2}
    assert kinds and {kind for kind in kinds if f"`{kind}`" not in contributing} == set()
