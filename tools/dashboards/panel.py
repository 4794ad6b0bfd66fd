"""A panel as we write it down, and as Grafana's SDK has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as dashboard_builder
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard

AT = 'namespace="$namespace", job="$release"'
"""The nodes of one release; a query names it as %s is named in others: `{@}`, or `{@, more="..."}`."""
SOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, AMBER, RED = "green", "orange", "red"
Steps = tuple[tuple[float, str], ...]
Unit = Literal["short", "s", "ms", "bytes", "percentunit", "reqps", "ops", "cps", "none", "bool"]
WHOLE_WIDTH = 24


def up_is_bad(amber: float, red: float) -> Steps:
    """Thresholds of what should be low."""
    return ((amber, AMBER), (red, RED))


@dataclass(frozen=True)
class Panel:
    """`queries`: legend (labels as `{{pod}}`) to PromQL."""

    title: str
    description: str
    queries: Mapping[str, str]
    unit: Unit = "short"
    kind: Literal["graph", "stat"] = "graph"
    steps: Steps = ()
    base: str = GREEN
    """The colour below the first step."""
    width: int = 8
    height: int = 7
    stacked: bool = False

    def build(self, number: int) -> Builder[dashboard.Panel]:
        """The SDK's builder."""
        return self._stat(number) if self.kind == "stat" else self._graph(number)

    def _graph(self, number: int) -> timeseries.Panel:
        panel = timeseries.Panel().id(number).title(self.title).description(self.description).datasource(SOURCE)
        panel = panel.unit(self.unit).span(self.width).height(self.height).thresholds(self._thresholds())
        panel = panel.targets(self._targets()).line_width(1).fill_opacity(20 if self.stacked else 5)
        if self.stacked:
            panel = panel.stacking(common_builder.StackingConfig().mode(common.StackingMode.NORMAL))
        if self.steps:
            style = common_builder.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
            panel = panel.thresholds_style(style)
        if all(value >= 0 for value, _ in self.steps):
            panel = panel.axis_soft_min(0)
        return panel.tooltip(common_builder.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))

    def _stat(self, number: int) -> stat.Panel:
        panel = stat.Panel().id(number).title(self.title).description(self.description).datasource(SOURCE)
        panel = panel.unit(self.unit).span(self.width).height(self.height).thresholds(self._thresholds())
        reduced = common_builder.ReduceDataOptions().calcs(["lastNotNull"])
        return panel.targets(self._targets()).reduce_options(reduced).color_mode(common.BigValueColorMode.VALUE)

    def _targets(self) -> list[Builder[variants.Dataquery]]:
        return [
            prometheus.Dataquery().expr(located(expr)).legend_format(legend).ref_id(letter).datasource(SOURCE).range()
            for letter, (legend, expr) in zip("ABCDEFGH", self.queries.items(), strict=False)
        ]

    def _thresholds(self) -> dashboard_builder.ThresholdsConfig:
        steps = [dashboard.Threshold(None, self.base), *(dashboard.Threshold(*each) for each in self.steps)]
        return dashboard_builder.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def graph(title: str, description: str, queries: Mapping[str, str], unit: Unit = "short", **more: object) -> Panel:
    """A time series."""
    return Panel(title, description, queries, unit, **more)  # type: ignore[arg-type]


def stat_of(title: str, description: str, query: str, unit: Unit = "short", **more: object) -> Panel:
    """One number; four fit into a row's third."""
    return Panel(title, description, {title: query}, unit, "stat", width=4, height=4, **more)  # type: ignore[arg-type]


def located(expr: str) -> str:
    """With the release's selector in the place of every `{@}`."""
    return expr.replace("{@", "{" + AT)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Per second, summed. A counter whose label has not occurred yet has no series: `or_nothing` gives it a line."""
    summed = f"sum by ({by}) " if by else "sum"
    return f"{summed}(rate({metric}{{@{where and ', ' + where}}}[$__rate_interval]))"


def or_nothing(expr: str) -> str:
    """0 where nothing has happened."""
    return f"{expr} or vector(0)"


def quantiles(metric: str, where: str = "", by: str = "") -> dict[str, str]:
    """Median and the slowest hundredth of a histogram."""
    inner = f"sum by (le{by and ', ' + by}) (rate({metric}_bucket{{@{where and ', ' + where}}}[$__rate_interval]))"
    named = f"{{{{{by}}}}} " if by else ""
    return {
        f"{named}half below": f"histogram_quantile(0.5, {inner})",
        f"{named}99 of 100 below": f"histogram_quantile(0.99, {inner})",
    }


def mean(metric: str, by: str = "pod") -> str:
    """Of a histogram."""
    sums = (f"sum by ({by}) (rate({metric}_{part}{{@}}[$__rate_interval]))" for part in ("sum", "count"))
    return " / ".join(sums)
