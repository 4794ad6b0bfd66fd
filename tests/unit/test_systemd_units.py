"""The units of deploy/systemd: that each service takes what its unit says, and that systemd treats it as it asks."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from essaim.runtime.refusal import WRONG_SETTING
from essaim.runtime.settings import NodeSettings, read

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
PAGE = FOLDER.parents[1] / "docs" / "operations" / "by-hand.md"
UNITS = sorted(FOLDER.glob("essaim-*.service"))
EVERY = FOLDER / "essaim-.service.d" / "every.conf"
GRACE_SECONDS = 15
"""Beside `drain_seconds` (docs/operations/running.md, "Stop")."""
HANDED = "/run/credentials/unit"
MACHINE = {
    "${ADDRESS}": "203.0.113.12",
    "${DISCOVERY}": "203.0.113.11:7440",
    "${CREDENTIALS_DIRECTORY}": HANDED,
    "%S": "/var/lib",
    "%i": "1",
}


def lines(file: Path, key: str) -> list[str]:
    """What a unit says under a key, continued lines joined."""
    text = file.read_text().replace("\\\n", " ")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def service_of(unit: Path) -> str:
    return re.split(r"[-@.]", unit.name)[1]


def command(unit: Path) -> list[str]:
    (line,) = lines(unit, "ExecStart")
    for name, value in MACHINE.items():
        line = line.replace(name, value)
    assert not re.search(r"[%$]", line), line
    return shlex.split(line)


def settings_of(unit: Path) -> NodeSettings:
    name = service_of(unit)
    kind = getattr(import_module(f"essaim_{name}.settings"), f"{name.capitalize()}Settings")
    settings: NodeSettings = read(kind, command(unit)[1:])
    return settings


def test_units_are_there_for_every_service() -> None:
    services = {path.parent.name for path in FOLDER.parents[1].glob("services/*/pyproject.toml")}
    assert {service_of(unit) for unit in UNITS} == services and len(UNITS) == len(services) == 5


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_says_what_its_service_takes(unit: Path) -> None:
    settings, name = settings_of(unit), service_of(unit)
    assert command(unit)[0] == f"/opt/essaim/bin/essaim-{name}"
    script = (FOLDER.parents[1] / "services" / name / "pyproject.toml").read_text()
    assert f'essaim-{name} = "essaim_{name}.__main__:main"' in script
    (folder,) = lines(unit, "StateDirectory")
    assert str(settings.data_dir) == f"/var/lib/{folder.replace('%i', '1')}"
    assert settings.metrics.startswith("127.0.0.1:")
    assert settings.advertised == f"203.0.113.12:{settings.listen.rpartition(':')[2]}"
    assert settings.listen.rpartition(":")[2] in PAGE.read_text()


def test_units_of_one_machine_share_no_port() -> None:
    ports = [each.rpartition(":")[2] for unit in UNITS for each in addresses_of(settings_of(unit))]
    assert len(ports) == len(set(ports)) == 2 * len(UNITS)


def addresses_of(settings: NodeSettings) -> tuple[str, str]:
    return settings.listen, settings.metrics


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_kills_nobody_who_still_drains(unit: Path) -> None:
    settings = settings_of(unit)
    (seconds,) = lines(unit, "TimeoutStopSec") or lines(EVERY, "TimeoutStopSec")
    serves_on = getattr(settings, "retire_seconds", 0)
    assert float(seconds) >= settings.drain_seconds + GRACE_SECONDS + serves_on


def test_units_restart_after_accidents_alone() -> None:
    assert lines(EVERY, "Restart") == ["on-failure"]
    assert lines(EVERY, "RestartPreventExitStatus") == [str(WRONG_SETTING)]
    assert lines(EVERY, "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_has_a_user_and_a_folder_of_its_own(unit: Path) -> None:
    """Else who breaks into one service reads the keys and the database of those beside it."""
    (folder,) = lines(unit, "StateDirectory")
    assert lines(unit, "User") == ["essaim-" + folder.removeprefix("essaim/")]
    assert lines(unit, "BindPaths") == ["%S/" + folder]
    assert ("@" in unit.name) == ("%i" in folder)


def test_users_of_units_are_made_and_none_is_shared() -> None:
    assert lines(EVERY, "User") == lines(EVERY, "Group") == []
    assert lines(EVERY, "StateDirectoryMode") == ["0700"] and lines(EVERY, "UMask") == ["0077"]
    assert lines(EVERY, "TemporaryFileSystem") == ["%S/essaim:ro"] and lines(EVERY, "ProtectProc") == ["invisible"]
    installer = (FOLDER / "install").read_text()
    assert 'accounts+=("essaim-$service-"{1..9})' in installer and 'accounts+=("essaim-$service")' in installer


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_is_handed_what_it_reads_and_no_more(unit: Path) -> None:
    """/etc/essaim has the operator's key and passwords of databases: root's alone, and no service looks in."""
    assert lines(EVERY, "InaccessiblePaths") == ["/etc/essaim"]
    assert "install -d -m 700 /etc/essaim\n" in (FOLDER / "install").read_text()
    read_from = {word for word in command(unit) if word.startswith((HANDED, "/etc"))}
    handed = lines(EVERY, "LoadCredential") + lines(unit, "LoadCredential")
    assert handed == [f"{name}:/etc/essaim/{name}" for name in (each.partition(":")[0] for each in handed)]
    assert read_from == {f"{HANDED}/{each.partition(':')[0]}" for each in handed}
    assert ("operator.key" in str(handed)) == (service_of(unit) != "discovery")


def test_units_look_into_no_other_process() -> None:
    (denied,) = (line for line in lines(EVERY, "SystemCallFilter") if "@debug" in line)
    assert denied.startswith("~") and {"process_vm_readv", "process_vm_writev"} <= set(denied.split())
