"""One picture for each dashboard: its panels in their places, each with the series that its queries gave."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from observe.prometheus import NAMESPACE, RELEASE, Prometheus, Series
from observe.queries import FOLDER, fill

mpl.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 24
CELL_INCHES = 0.62
MOST_NAMED = 8
SAYS = (
    "Drawn with matplotlib from this dashboard's queries on a testnet of processes under load; Grafana looks otherwise."
)
SCALES = {"bytes": (1 / (1 << 20), "MiB"), "percentunit": (100.0, "%"), "s": (1_000.0, "ms")}


def draw(server: Prometheus, start: float, end: float, out: Path) -> Iterator[Path]:
    """Ask and draw; the files that were written."""
    out.mkdir(parents=True, exist_ok=True)
    return iter([_draw_board(server, file, (start, end), out) for file in sorted(FOLDER.glob("*.json"))])


def _draw_board(server: Prometheus, file: Path, span: tuple[float, float], out: Path) -> Path:
    board = json.loads(file.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    figure = plt.figure(figsize=(COLUMNS * CELL_INCHES, rows * CELL_INCHES * 0.7))
    grid = figure.add_gridspec(rows, COLUMNS, left=0.045, right=0.99, top=0.965, bottom=0.02, hspace=14.0, wspace=9.0)
    for panel in panels:
        place = panel["gridPos"]
        axes = figure.add_subplot(grid[place["y"] : place["y"] + place["h"], place["x"] : place["x"] + place["w"]])
        found = {target["legendFormat"]: server.range(fill(target["expr"]), *span) for target in panel["targets"]}
        (_number if panel["type"] == "stat" else _lines)(axes, panel, found, span[0])
    figure.suptitle(f"{board['title']}\n{SAYS}", fontsize=9, y=0.995)
    path = out / f"{file.stem}.png"
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})
    plt.close(figure)
    return path


def _number(axes: Any, panel: Mapping[str, Any], found: Mapping[str, list[Series]], _start: float) -> None:
    series = next((each for lines in found.values() for each in lines), None)
    text = f"{series.values[-1]:.4g} {_unit(panel).replace('short', '').replace('none', '')}" if series else "no data"
    axes.text(0.5, 0.45, text.strip(), ha="center", va="center", fontsize=14)
    axes.set_title(panel["title"], fontsize=7)
    axes.set_axis_off()


def _lines(axes: Any, panel: Mapping[str, Any], found: Mapping[str, list[Series]], start: float) -> None:
    factor, name = SCALES.get(_unit(panel), (1.0, ""))
    named = [(_legend(legend, each), each) for legend, lines in found.items() for each in lines]
    for place, (label, each) in enumerate(sorted(named, key=lambda pair: -max(pair[1].values))):
        times, values = [at - start for at in each.times], [value * factor for value in each.values]
        axes.plot(times, values, lw=0.8, label=label if place < MOST_NAMED else None)
    axes.set_title(panel["title"].removesuffix(", seconds") + (name and f", {name}"), fontsize=7)
    axes.tick_params(labelsize=5, length=2)
    axes.grid(visible=True, lw=0.3)
    if any(label for label, _ in named):
        axes.legend(fontsize=4.5, loc="best", framealpha=0.5)


def _unit(panel: Mapping[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"]["unit"])


def _legend(legend: str, series: Series) -> str:
    """As Grafana fills it: the labels in double braces."""
    filled = re.sub(r"\{\{(\w+)\}\}", lambda match: series.labels.get(match[1], ""), legend)
    return filled.replace(f"{RELEASE}-{NAMESPACE}-", "").strip()
