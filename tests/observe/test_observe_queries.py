"""Every query of the chart's dashboards and rules has data, in a real Prometheus over a testnet that works.

A network of processes, two people who talk, one whose device is off and is woken by a push host, a client in a closed
loop, one relay that dies and comes back. What a query asks over that time must hold at least one number. Needs Debian's
`prometheus` and helm; `make observe-test`.
"""

import asyncio
import os
import time

import pytest

import helm
from observe.programs import NoPrometheusError, find
from observe.prometheus import Prometheus
from observe.queries import Query, of_dashboards, of_rules
from observe.stage import stage

LOAD_SECONDS = 10.0
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    try:
        find("prometheus")
        helm.find()
    except (NoPrometheusError, helm.NoHelmError) as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def without_data(server: Prometheus, queries: list[Query], began: float) -> list[str]:
    """Those that nothing answers."""
    return [f"{each.where}: {each.expr}" for each in queries if not server.range(each.expr, began, time.time())]


async def test_every_query_has_data(tmp_path) -> None:
    async with stage(tmp_path) as on:
        await asyncio.gather(on.load(LOAD_SECONDS), on.restart("relay-4", 2.0))
        rules = [each for group in on.groups for each in group["rules"]]
        queries = [*of_dashboards(), *of_rules(rules)]
        assert len(queries) > 150
        missing, until = queries, time.monotonic() + PATIENCE_SECONDS
        while missing and time.monotonic() < until:
            silent = set(await asyncio.to_thread(without_data, on.server, missing, on.began))
            missing = [each for each in missing if f"{each.where}: {each.expr}" in silent]
            await asyncio.sleep(0.5)  # of another process: rules are evaluated each second
        assert not missing, "\n".join(f"{each.where}: {each.expr}" for each in missing)
        bitten = Query("filters", "essaim_opengroup_filtered_total{}")  # its panel says 0 where it has no series
        assert not await asyncio.to_thread(without_data, on.server, [bitten], on.began), "no filter found anything"
        nonsense = Query("nowhere", "essaim_no_such_metric{}")
        assert await asyncio.to_thread(without_data, on.server, [nonsense], on.began), "the question itself can fail"
