"""Every alert fires when it should and not when all is only just well, by Prometheus' own promtool."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from observe.programs import NoPrometheusError, find

APIS = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")
CASES: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "alert_cases.yaml").read_text())
PODS = {
    f"${kind}": f'namespace="essaim", job="net", pod="net-essaim-{kind}-0"'
    for kind in ("storage", "relay", "discovery", "opengroup", "push")
}


@pytest.fixture(scope="session")
def promtool() -> Path:
    try:
        return find("promtool")
    except NoPrometheusError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def rules(render, tmp_path_factory) -> Path:
    """The groups of the chart's PrometheusRule as a file of Prometheus'."""
    (rule,) = render("default", apis=APIS).of("PrometheusRule")
    file = tmp_path_factory.mktemp("rules") / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": rule["spec"]["groups"]}))
    return file


def run(promtool: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_promtool_checks_the_rules(promtool, rules):
    done = run(promtool, "check", "rules", rules)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_cases(rules):
    alerts = [
        each for group in yaml.safe_load(rules.read_text())["groups"] for each in group["rules"] if "alert" in each
    ]
    burning = {each["alert"] for each in alerts if "window" in each["labels"]}
    plain = {each["alert"] for each in alerts} - burning
    assert set(CASES) == plain | {f"{alert}/{severity}" for alert in burning for severity in ("critical", "warning")}


def named(series: Mapping[str, str]) -> list[Mapping[str, str]]:
    def labelled(text: str) -> str:
        for name, labels in PODS.items():
            text = text.replace(name, labels)
        return text

    return [{"series": labelled(name), "values": values} for name, values in series.items()]


def verdict(name: str, kind: str, *, fires: bool) -> Mapping[str, Any]:
    """A test of promtool's: the series of the case, and whether the alert is there at its time."""
    alert, _, severity = name.partition("/")
    label = f', severity="{severity}"' if severity else ""
    asked = f'group by (alertname) (ALERTS{{alertname="{alert}", alertstate="firing"{label}}})'
    told = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else []
    expected = {"expr": asked, "eval_time": CASES[name]["at"], "exp_samples": told}
    return {"interval": step(name), "input_series": named(CASES[name][kind]), "promql_expr_test": [expected]}


def step(name: str) -> str:
    """Between two samples, and two evaluations; longer where hours are told."""
    return CASES[name].get("step", "1m")


def outcome(promtool: Path, rules: Path, folder: Path, test: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    file = folder / "test.yml"
    every = test["interval"]
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": every, "tests": [test]}))
    return run(promtool, "test", "rules", file)


@pytest.mark.parametrize("name", CASES)
def test_alert_fires_and_is_quiet(promtool, rules, tmp_path, name):
    for kind, fires in (("fires", True), ("quiet", False)):
        done = outcome(promtool, rules, tmp_path, verdict(name, kind, fires=fires))
        assert done.returncode == 0, f"{name}, {kind}: {done.stdout}{done.stderr}"


def test_a_wrong_expectation_is_found(promtool, rules, tmp_path):
    for kind, fires in (("fires", False), ("quiet", True)):
        done = outcome(promtool, rules, tmp_path, verdict("EssaimNodeDown", kind, fires=fires))
        assert done.returncode != 0
