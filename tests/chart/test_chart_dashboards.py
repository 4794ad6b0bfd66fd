"""The dashboards: as the SDK makes them, found by Grafana's sidecar, every panel with its words, unit and source."""

import json
import re
from pathlib import Path

import promql_parser
import pytest

from dashboards.__main__ import BOARDS, FOLDER
from observe.queries import known, metrics_in

MONITORING = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NUMBERS = {"Cells in a batch, mean", "Changes in a commit, mean", "Actions in a commit, mean", "Serial", "Views"}
"""Panels whose unit is none: a bare number."""


@pytest.fixture(params=BOARDS, ids=lambda board: board.name)
def board(request):
    return json.loads((FOLDER / f"{request.param.name}.json").read_text())


def panels(board) -> list[dict]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_committed_dashboard_is_current(board):
    assert (FOLDER / f"{board.name}.json").read_text() == board.json(), "run: make dashboards"


def test_no_other_dashboard_lies_there():
    assert {file.stem for file in FOLDER.iterdir()} == {board.name for board in BOARDS}


def test_every_panel_explains_itself(board):
    for panel in panels(board):
        assert panel["description"].endswith(".") and len(panel["description"]) > 20, panel["title"]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit and (unit != "none" or panel["title"].startswith(("Serial", *NUMBERS))), panel["title"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["title"]
        assert panel["targets"], panel["title"]


def test_one_data_source_is_a_variable(board):
    kinds = [variable["type"] for variable in board["templating"]["list"]]
    assert kinds.count("datasource") == 1
    asked = [panel["datasource"] for panel in panels(board)]
    asked += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    asked += [variable["datasource"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    assert all(each == SOURCE for each in asked)


def test_ids_differ_and_nothing_overlaps(board):
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24


def test_queries_are_promql_on_metrics_that_exist(board, render):
    (rule,) = render("default", apis=MONITORING).of("PrometheusRule")
    names = known([each for group in rule["spec"]["groups"] for each in group["rules"]])
    for panel in panels(board):
        for target in panel["targets"]:
            expr = re.sub(r"\$__rate_interval", "1m", target["expr"])
            promql_parser.parse(expr.replace("$namespace", "essaim").replace("$release", "net"))
            assert metrics_in(expr) and metrics_in(expr) <= names, target["expr"]
            assert '$namespace"' in expr, "a panel shows one release alone"


def test_sidecar_finds_the_config_maps(render):
    rendered = render("default", "metrics.dashboards.enabled=true")
    found = [each for each in rendered.of("ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]]
    uids = {json.loads(text)["uid"] for each in found for text in each["data"].values()}
    assert uids == {f"essaim-{board.name}" for board in BOARDS}
    assert all(each["metadata"]["annotations"]["grafana_folder"] == "Essaim" for each in found)
    for each in found:
        ((name, text),) = each["data"].items()
        committed = (Path(FOLDER) / name.removeprefix("essaim-")).read_text()
        assert json.loads(text) == json.loads(committed), "helm changed a dashboard"


def test_dashboards_are_where_they_are_asked_for(render):
    def count(*sets: str, apis=()) -> int:
        return sum(
            "-dashboard-" in each["metadata"]["name"] for each in render("default", *sets, apis=apis).of("ConfigMap")
        )

    assert count() == 0
    assert count(apis=MONITORING) == len(BOARDS)
    assert count("metrics.dashboards.enabled=false", apis=MONITORING) == 0
    placed = render("default", "metrics.dashboards.enabled=true", "metrics.dashboards.namespace=monitoring")
    assert {each["metadata"]["namespace"] for each in placed.of("ConfigMap", "-dashboard-")} == {"monitoring"}
