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
MACHINE = {"${ADDRESS}": "203.0.113.12", "${DISCOVERY}": "203.0.113.11:7440", "%S": "/var/lib", "%i": "1"}


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
