"""Rules of the house that no linter knows."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
SAME_IN_EVERY_SERVICE = ("__main__.py", "settings.py", "service.py")
# The patterns are written so that this file does not contain what it looks for.
FORBIDDEN = {
    "a path of a development machine": re.compile(r"""(?:^|[\s"'`(=:])/(?:[w]ork|[f]arm|[h]ome/\w+|[U]sers/\w+)/"""),
    "the address of a package index": re.compile(
        r"(?:[p]ypi\.org|[f]iles\.pythonhosted\.org|--(?:extra-)?[i]ndex-url[ =])"
    ),
}
NOT_FOR_A_CLIENT = {
    "prometheus-client", "structlog", "pydantic-settings", "grpcio-reflection", "grpcio-health-checking",
    "kubernetes", "sqlalchemy", "alembic", "asyncpg", "psycopg", "psycopg2", "psycopg-binary",
}  # fmt: skip


def text_files() -> list[Path]:
    """Every file that is committed or would be by `git add .`, read as UTF-8 text."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [ROOT / name for name in sorted(set(listed.split("\0"))) if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8192]]


def findings(text: str) -> list[str]:
    return [kind for kind, pattern in FORBIDDEN.items() if pattern.search(text)]


def test_committed_text_names_no_machine_and_no_index():
    found = {str(file.relative_to(ROOT)): findings(file.read_text("utf-8", "replace")) for file in text_files()}

    assert {name: kinds for name, kinds in found.items() if kinds} == {}


@pytest.mark.parametrize(
    "text", ["see /" + "work/main", "'/" + "farm/x'", "--index" + "-url https://x", "https://pypi" + ".org/"]
)
def test_forbidden_patterns_find_what_they_look_for(text: str):
    assert findings(text)


@pytest.mark.parametrize("text", ["docs/network/", "the/framework/x", "https://example.org/simple"])
def test_forbidden_patterns_leave_ordinary_text_alone(text: str):
    assert not findings(text)


@pytest.mark.parametrize("service", SERVICES)
def test_service_has_the_files_that_every_service_has(service: str):
    package = ROOT / "services" / service / f"essaim_{service}"
    modules = {file.name for file in package.glob("*.py")} - {"__init__.py"}

    if "__main__.py" in modules:  # from the moment that it can be started
        assert sorted(set(SAME_IN_EVERY_SERVICE) - modules) == []


@pytest.mark.parametrize("service", SERVICES)
def test_service_declares_kubernetes_only_if_it_is_discovery(service: str):
    assert ("kubernetes" in declared(f"services/{service}")) == (service == "discovery")


def test_client_declares_nothing_of_a_server():
    assert declared("client") & NOT_FOR_A_CLIENT == set()
    assert declared("core") & NOT_FOR_A_CLIENT == set()


def test_client_installs_nothing_of_a_server():
    """The whole closure: what `pip install -r requirements/client.txt` puts on the machine of a user."""
    locked = pinned("client")

    assert {"grpcio", "typer"} <= locked
    assert locked & NOT_FOR_A_CLIENT == set()


@pytest.mark.parametrize("package", ["client", *SERVICES])
def test_locked_requirements_cover_what_is_declared(package: str):
    folder = package if package == "client" else f"services/{package}"
    ours = {name for name in declared(folder) if name.startswith("essaim-")}

    assert declared(folder) - ours <= pinned(package)
    assert declared("core") <= pinned(package)


def test_locked_requirements_of_developers_hold_all_others():
    for package in ("client", *SERVICES):
        assert pins(package) <= pins("dev")


def declared(folder: str) -> set[str]:
    """The names of the requirements in `folder`/pyproject.toml, without versions and extras."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    return {normal(requirement) for requirement in project["dependencies"]}


def pinned(name: str) -> set[str]:
    return {normal(pin) for pin in pins(name)}


def pins(name: str) -> set[str]:
    """`name==version` of each entry in requirements/`name`.txt."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return {line.split(" ")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}


def normal(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()
