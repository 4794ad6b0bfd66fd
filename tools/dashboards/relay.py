"""The relays: cells in, cells out, what fails on the way."""

from dashboards.board import Board
from dashboards.machine import clock, machine
from dashboards.panel import graph, mean, quantiles, rate, up_is_bad

CELLS = (
    graph(
        "Request cells by outcome",
        "A second, all relays. REPLAY, STALE, KEY_UNKNOWN and BAD_CELL are refused before anything is passed on.",
        {"{{outcome}}": rate("essaim_relay_cells_total", "outcome")},
        "cps",
        stacked=True,
    ),
    graph(
        "Cells by relay",
        "A second. Clients choose at random among relays, and keep their guard: guards differ, middles should not.",
        {"{{pod}}": rate("essaim_relay_cells_total", "pod")},
        "cps",
    ),
    graph(
        "Calls that a relay ended with an error",
        "A second, by reason. UNREACHABLE: a node or an edge is down. TIMEOUT: something behind is slow. BUSY: full.",
        {"{{reason}}": rate("essaim_relay_failures_total", "reason")},
        "cps",
        steps=up_is_bad(1, 10),
    ),
    graph(
        "Share of calls with an error",
        "Of a relay's own making, BUSY, UNREACHABLE, TIMEOUT and BAD_REPLY, of all calls passed on.",
        {
            "share": rate("essaim_relay_failures_total", "", 'reason=~"BUSY|UNREACHABLE|TIMEOUT|BAD_REPLY"')
            + " / "
            + rate("essaim_relay_cells_total", "", 'outcome="FORWARDED"')
        },
        "percentunit",
        steps=up_is_bad(0.005, 0.05),
    ),
    graph(
        "First reply, seconds",
        "From passing a cell on to its first reply. A middle waits for the exit and the destination too.",
        quantiles("essaim_relay_reply_seconds"),
        "s",
        steps=up_is_bad(0.5, 1),
    ),
    graph(
        "First reply by relay, 99 of 100 below",
        "One line far above the others: that relay, or what it alone leads to, is slow.",
        {"{{pod}}": quantiles("essaim_relay_reply_seconds", by="pod")["{{pod}} 99 of 100 below"]},
        "s",
        steps=up_is_bad(0.5, 1),
    ),
)
QUEUES = (
    graph(
        "Calls under way",
        "By relay. A device that listens holds one open at each hop for up to 15 minutes.",
        {"{{pod}}": "essaim_relay_calls{@}"},
    ),
    graph(
        "Bytes that wait to leave",
        "On all outgoing links of a relay. At 64 MiB on one link calls on it are refused BUSY.",
        {"{{pod}}": "essaim_relay_queued_bytes{@}"},
        "bytes",
        steps=up_is_bad(16 << 20, 48 << 20),
    ),
    graph(
        "Cells in a batch, mean",
        "In units of the smallest cell. Full batches cost a relay less for each cell; 16 is a full one.",
        {"{{pod}}": mean("essaim_relay_batch_cells")},
        "none",
    ),
    graph(
        "Links that others hold",
        "By who dialled: clients to their guard, nodes to each other.",
        {"{{side}} {{pod}}": 'essaim_links{@, pod=~".*-relay-.*"}'},
    ),
    graph(
        "Links refused",
        "A second, by the limit that they met. CLIENTS: this guard has as many as it may; add relays.",
        {"{{limit}}": rate("essaim_links_refused_total", "limit", 'pod=~".*-relay-.*"')},
        "cps",
        steps=up_is_bad(0.1, 1),
    ),
    graph(
        "gRPC calls by code",
        "Ended calls a second: links, the guard's door, the view, health.",
        {
            "{{grpc_method}} {{grpc_code}}": rate(
                "grpc_server_handled_total", "grpc_method, grpc_code", 'pod=~".*-relay-.*"'
            )
        },
        "reqps",
    ),
)
RELAY = Board(
    "relay",
    "Essaim / Relays",
    "What relays carry, how fast, what they refuse and why, and how full they are.",
    {"Cells": CELLS, "Queues and links": QUEUES, "Processes": (*machine("relay"), clock("relay"))},
)
