"""A dashboard: its variables, rows and links, as the JSON that Grafana imports."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from dashboards.panel import SOURCE, Panel

TAG = "essaim"


@dataclass(frozen=True)
class Board:
    """`rows`: title to panels, from left to right."""

    name: str
    title: str
    description: str
    rows: Mapping[str, Sequence[Panel]]

    def json(self) -> str:
        """What is committed: sorted keys, two spaces, so that a change can be read."""
        return json.dumps(self._build(), cls=JSONEncoder, sort_keys=True, indent=2) + "\n"

    def _build(self) -> dashboard.Dashboard:
        board = builder.Dashboard(self.title).uid(f"essaim-{self.name}").description(self.description).tags([TAG])
        board = board.time("now-1h", "now").refresh("30s").timezone("browser").readonly()
        board = board.tooltip(dashboard.DashboardCursorSync.CROSSHAIR).link(_others())
        for variable in (_datasource(), _variable("namespace", "Namespace"), _variable("release", "Release")):
            board = board.with_variable(variable)
        number = 0
        for title, panels in self.rows.items():
            number += 1
            board = board.with_row(builder.Row(title).id(number))
            for panel in panels:
                number += 1
                board = board.with_panel(panel.build(number))
        return board.build()


def _others() -> builder.DashboardLink:
    link = builder.DashboardLink("Essaim").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(True).include_vars(True).keep_time(True)


def _datasource() -> builder.DatasourceVariable:
    return builder.DatasourceVariable("datasource").label("Data source").type("prometheus")


def _variable(name: str, label: str) -> builder.QueryVariable:
    queries = {
        "namespace": "label_values(essaim_build_info, namespace)",
        "release": 'label_values(essaim_build_info{namespace="$namespace"}, job)',
    }
    variable = builder.QueryVariable(name).label(label).datasource(SOURCE).query(queries[name])
    return variable.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
        dashboard.VariableSort.ALPHABETICAL_ASC
    )
