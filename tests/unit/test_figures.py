"""How bench figures are joined, kept and shown (tools/figures.py)."""

import random
from io import StringIO

import pytest
from rich.console import Console

from figures import AIMS, asked_for, markdown, merged, rows, summarised, table
from loadgen.talk import percentile, poisson


class TestSummary:
    def test_summarised_takes_median_and_spread_of_runs(self) -> None:
        runs = [{"live.p50_ms": 9.0}, {"live.p50_ms": 30.0}, {"live.p50_ms": 12.0}]
        assert summarised(runs) == {"live.p50_ms": 12.0, "live.p50_ms.spread": 21.0}

    def test_summarised_of_one_run_has_no_spread(self) -> None:
        assert summarised([{"node.rss_mb": 70.0}]) == {"node.rss_mb": 70.0}

    def test_summarised_keeps_keys_that_some_runs_lack(self) -> None:
        assert summarised([{"a": 1.0}, {"b": 2.0}, {"b": 4.0}]) == {"a": 1.0, "b": 3.0, "b.spread": 2.0}


class TestMerge:
    def test_merged_replaces_own_keys_and_keeps_others(self) -> None:
        old = {
            "live.p50_ms": 50.0,
            "live.p50_ms.spread": 9.0,
            "relay.ratio": 0.5,
            "conditions": {"live": {"commit": "old"}, "relay": {"commit": "kept"}},
        }
        new = merged(old, "live", {"live.p50_ms": 10.0}, {"commit": "new"})
        assert new == {
            "live.p50_ms": 10.0,
            "relay.ratio": 0.5,
            "conditions": {"live": {"commit": "new"}, "relay": {"commit": "kept"}},
        }

    def test_merged_into_nothing_is_a_report(self) -> None:
        assert merged({}, "x", {"b": 2.0, "a": 1.0}, {}) == {"a": 1.0, "b": 2.0, "conditions": {"x": {}}}

    @pytest.mark.parametrize(
        ("only", "wanted"),
        [("", True), ("e2e", True), ("e2e.store", True), ("e2e.store_cpu_x25519_send", True), ("live", False)],
    )
    def test_asked_for_matches_prefixes_both_ways(self, only: str, wanted: bool) -> None:
        assert asked_for(("e2e.store", "e2e.retrieve"), only) is wanted


class TestTable:
    def test_rows_tell_reached_and_missed_aims(self) -> None:
        report = {"live.p50_ms": 30.0, "relay.ratio": 0.46, "e2e.store_per_s": 1234.5, "conditions": {}}
        assert rows(report) == [
            ("relay.ratio", "0.45", "0.55", "0.46", "", True),
            ("e2e.store_per_s", "", "", "1,234", "", None),
            ("live.p50_ms", "25", "15", "30", "", False),
        ]

    def test_rows_stand_in_the_order_of_the_aims(self) -> None:
        report = dict.fromkeys(reversed(AIMS), 1.0)
        assert [row[0] for row in rows(report)] == list(AIMS)

    def test_table_shows_value_and_spread(self) -> None:
        console = Console(width=140, record=True, file=StringIO())
        console.print(table({"node.rss_mb": 71.25, "node.rss_mb.spread": 3.5, "conditions": {}}))
        text = console.export_text()
        assert "71.2" in text and "3.5" in text and "90" in text

    def test_markdown_has_a_line_for_each_figure(self) -> None:
        assert markdown({"live.p99_ms": 80.0}).splitlines()[2] == "| `live.p99_ms` | 100 | 50 | 80 |  | yes |"


class TestOpenLoop:
    def test_poisson_fills_the_time_at_its_rate(self) -> None:
        gaps = poisson(5, 600, random.Random(1))
        assert sum(gaps) < 600 and 2_700 < len(gaps) < 3_300

    def test_percentile_is_the_nearest_rank(self) -> None:
        values = [float(number) for number in range(1, 101)]
        assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (50.0, 99.0, 7.0)
