"""Whether the network does what it promises, at one glance."""

from dashboards.board import Board
from dashboards.machine import clock, machine
from dashboards.panel import GREEN, RED, graph, or_nothing, quantiles, rate, stat_of, up_is_bad

SLO = 'namespace="$namespace"'
HEALTH = (
    stat_of(
        "Ready nodes",
        "Nodes whose health says SERVING. It should be the number of pods.",
        "sum(essaim_ready{@})",
        base=RED,
        steps=((1, GREEN),),
    ),
    stat_of(
        "Silent nodes",
        "Pods whose metrics cannot be read now.",
        or_nothing("count(up{@} == 0)"),
        steps=((1, RED),),
    ),
    stat_of(
        "Alerts that fire",
        "Of this chart's rules. Each has a runbook: docs/operations/runbooks.md.",
        or_nothing('count(ALERTS{namespace="$namespace", alertname=~"Essaim.*", alertstate="firing"})'),
        steps=((1, RED),),
    ),
    stat_of(
        "Swarms without a quorum",
        "Their mailboxes take nothing until members return. Anything but 0 is an emergency.",
        'sum(essaim_discovery_swarms{@, health="BROKEN"})',
        steps=((1, RED),),
    ),
    stat_of(
        "Age of the view",
        "Since discovery signed the newest list of nodes. Clients refuse one that has expired.",
        "max(essaim_discovery_view_age_seconds{@})",
        "s",
        steps=up_is_bad(3_600, 5_400),
    ),
    stat_of(
        "Replication lag",
        "How long the oldest record that some member lacks has been waiting for it.",
        "max(essaim_storage_replication_lag_seconds{@})",
        "s",
        steps=up_is_bad(60, 300),
    ),
)
PROMISES = (
    graph(
        "Error budget that burns, last hour",
        "How many times faster than allowed errors use up the budget: above 1 the promise is broken in the end; 14.4"
        " for an hour uses up 2 of 100 of a month's.",
        {"{{slo}}": f"essaim:slo_burn:rate1h{{{SLO}}}"},
        steps=up_is_bad(1, 14.4),
        width=12,
    ),
    graph(
        "Error budget that burns, last three days",
        "The same over three days: what is left for maintenance.",
        {"{{slo}}": f"essaim:slo_burn:rate3d{{{SLO}}}"},
        steps=up_is_bad(0.5, 1),
        width=12,
    ),
)
TRAFFIC = (
    graph(
        "Cells through the relays",
        "Request cells a second by what became of them, over all hops: a message's request is counted three times. What"
        " is not FORWARDED, DELIVERED or DROPPED (cover) was refused.",
        {"{{outcome}}": rate("essaim_relay_cells_total", "outcome")},
        "cps",
        stacked=True,
    ),
    graph(
        "Envelopes to be stored",
        "A second, by outcome. ACKNOWLEDGED: a quorum has them on disk.",
        {"{{outcome}}": rate("essaim_storage_stores_total", "outcome")},
        "ops",
        stacked=True,
    ),
    graph(
        "Requests out of cells",
        "What clients ask of destinations through the onion, by how it ended; GONE: the client left first.",
        {"{{outcome}}": rate("essaim_onion_requests_total", "outcome")},
        "reqps",
        stacked=True,
    ),
    graph(
        "Store, seconds",
        "From a cell at the storage node to the acknowledgement of a quorum.",
        quantiles("essaim_onion_request_seconds", 'method="Store"'),
        "s",
        steps=up_is_bad(0.25, 0.5),
    ),
    graph(
        "First reply, seconds",
        "From a relay passing a cell on to the first reply, all hops behind included.",
        quantiles("essaim_relay_reply_seconds"),
        "s",
        steps=up_is_bad(0.5, 1),
    ),
    graph(
        "Clients",
        "Links of clients to their guards, and devices that listen at the swarms.",
        {
            "links of clients": 'sum(essaim_links{@, side="CLIENT"})',
            "devices that listen": "sum(essaim_storage_subscribers{@})",
        },
    ),
)
KEPT = (
    graph(
        "Envelopes kept",
        "On the disks of all storage nodes, every copy counted.",
        {"{{pod}}": "essaim_storage_envelopes{@}"},
        stacked=True,
    ),
    graph(
        "Under-replicated",
        "Records that the member furthest behind lacks, by the node that took them. Some are always under way.",
        {"{{pod}}": "essaim_storage_under_replicated{@}"},
        steps=up_is_bad(100, 1_000),
    ),
    graph(
        "Nodes by state",
        "As the newest view lists them.",
        {"{{role}} {{state}}": "sum by (role, state) (essaim_discovery_nodes{@}) > 0"},
        stacked=True,
    ),
)
OVERVIEW = Board(
    "overview",
    "Essaim / Overview",
    "Whether a network does what it promises: its nodes, its error budgets, its traffic, what it keeps.",
    {
        "Is all well?": HEALTH,
        "Promises": PROMISES,
        "Traffic": TRAFFIC,
        "What is kept": KEPT,
        "Processes": (*machine(), clock()),
    },
)
