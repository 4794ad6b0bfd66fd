"""Discovery: the signed views, who registers, who follows."""

from dashboards.board import Board
from dashboards.machine import machine
from dashboards.panel import graph, or_nothing, quantiles, rate, stat_of, up_is_bad

REFUSED = 'outcome!="APPLIED"'
VIEW = (
    stat_of("Serial", "Of the newest signed view.", "max(essaim_discovery_view_serial{@})", "none"),
    stat_of(
        "Age",
        "Since the newest view was signed. A view is renewed when it is no longer fresh, or something shows.",
        "max(essaim_discovery_view_age_seconds{@})",
        "s",
        steps=up_is_bad(3_600, 5_400),
    ),
    stat_of(
        "Followers",
        "Nodes that hold a stream of views open. It should be the number of relays and storage nodes.",
        "sum(essaim_discovery_followers{@})",
    ),
    stat_of(
        "Active nodes",
        "By the newest state; the next view says the same.",
        'sum(essaim_discovery_nodes{@, state="ACTIVE"})',
    ),
    stat_of(
        "Nodes that are away",
        "Registered, without a proof of uptime for longer than allowed.",
        'sum(essaim_discovery_nodes{@, state="AWAY"})',
        steps=up_is_bad(1, 3),
    ),
    stat_of("Swarms", "In the newest view, whatever their health.", "sum(essaim_discovery_swarms{@})"),
)
CHURN = (
    graph(
        "Nodes by role and state",
        "What the next view says of them.",
        {"{{role}} {{state}}": "sum by (role, state) (essaim_discovery_nodes{@}) > 0"},
        stacked=True,
    ),
    graph(
        "Swarms by health",
        "WHOLE: every member is active. SHORT: a quorum is. BROKEN: less than that.",
        {"{{health}}": "sum by (health) (essaim_discovery_swarms{@})"},
        stacked=True,
    ),
    graph(
        "What happens to nodes",
        "A minute by kind. WENT_AWAY, RESTARTED and DROPPED together are the churn.",
        {"{{kind}}": f"60 * {rate('essaim_discovery_events_total', 'kind')}"},
    ),
    graph(
        "Transactions",
        "A second by kind and outcome; what is not APPLIED was refused, with the reason.",
        {"{{kind}} {{outcome}}": rate("essaim_discovery_transactions_total", "kind, outcome")},
        "ops",
        width=12,
    ),
    graph(
        "Refused transactions",
        "A minute by reason. A node that keeps being refused is misconfigured, or not one of ours.",
        {"{{outcome}}": or_nothing(f"60 * {rate('essaim_discovery_transactions_total', 'outcome', REFUSED)}")},
        width=12,
        steps=up_is_bad(1, 10),
    ),
)
FOLLOWED = (
    graph(
        "Serial that nodes go by, behind the newest",
        "0 once all have it: a stream brings each view to every node.",
        {"{{pod}}": "scalar(max(essaim_discovery_view_serial{@})) - essaim_view_serial{@}"},
        "none",
        steps=up_is_bad(2, 10),
    ),
    graph(
        "Age of the view that nodes go by",
        "A node far above the others has lost discovery.",
        {"{{pod}}": "time() - essaim_view_timestamp_seconds{@}"},
        "s",
        steps=up_is_bad(3_600, 5_400),
    ),
    graph(
        "Views",
        "Signed an hour. Each costs every node and client a diff.",
        {"views an hour": "3600 * sum(rate(essaim_discovery_view_serial{@}[$__rate_interval]))"},
        "none",
    ),
    graph(
        "Commit, seconds",
        "One write to the log with its fsync; every transaction waits for one.",
        quantiles("essaim_discovery_commit_seconds"),
        "s",
        steps=up_is_bad(0.1, 0.5),
    ),
    graph(
        "Signing a view, seconds",
        "From the decision until it is signed and on disk.",
        quantiles("essaim_discovery_sign_seconds"),
        "s",
        steps=up_is_bad(0.25, 1),
    ),
    graph(
        "Submissions that wait",
        "For the log. Above 0 for long: its disk is slow.",
        {"waiting": "sum(essaim_discovery_pending{@})"},
        steps=up_is_bad(10, 100),
    ),
    graph(
        "gRPC calls by code",
        "Ended calls a second: Submit, Follow, the view for clients, health.",
        {
            "{{grpc_method}} {{grpc_code}}": rate(
                "grpc_server_handled_total", "grpc_method, grpc_code", 'pod=~".*-discovery-.*"'
            )
        },
        "reqps",
        width=12,
    ),
    graph(
        "Submit, seconds",
        "From a node's transaction to the answer.",
        quantiles("grpc_server_handling_seconds", 'grpc_method="Submit"'),
        "s",
        steps=up_is_bad(0.25, 1),
        width=12,
    ),
)
DISCOVERY = Board(
    "discovery",
    "Essaim / Discovery",
    "The signed views: how old, how often, who follows them; who comes and goes; how fast the log is.",
    {"The view": VIEW, "Churn": CHURN, "Followed": FOLLOWED, "Processes": machine("discovery")},
)
