"""Push: what storage nodes send, what providers make of it, what waits, and what storage still owes."""

from dashboards.board import Board
from dashboards.machine import clock, machine
from dashboards.panel import graph, or_nothing, quantiles, rate, stat_of, up_is_bad

STATE = (
    stat_of("Subscriptions", "Devices and bots that a host wakes.", "max(essaim_push_subscriptions{@})"),
    stat_of("Endpoints with a wake", "That waits, or is being told.", "max(essaim_push_queue{@})"),
    stat_of(
        "Age of the oldest wake",
        "Dead endpoints left out. Some seconds are the delay that hides times.",
        "max(essaim_push_queue_age_seconds{@})",
        "s",
        steps=up_is_bad(60, 300),
    ),
    stat_of(
        "Endpoints gone",
        "Their provider says so; their devices must subscribe anew.",
        "max(essaim_push_endpoints_gone{@})",
    ),
    stat_of(
        "Devices owed a wake",
        "By storage nodes, which no push host has been told of yet.",
        "sum(essaim_storage_wakes_owed{@})",
        steps=up_is_bad(100, 1_000),
    ),
)
WAKES = (
    graph(
        "Wakes taken, by outcome",
        "A second, at push hosts. REPEATED: another member of the swarm had told already.",
        {"{{outcome}}": or_nothing(rate("essaim_push_wakes_total", "outcome"))},
        "ops",
        stacked=True,
    ),
    graph(
        "Wakes sent by storage",
        "A second, repeats included, by node.",
        {"{{pod}}": rate("essaim_storage_wakes_total", "pod")},
        "ops",
    ),
    graph(
        "Wakes refused",
        "A second, by reason, as storage hears it. UNKNOWN: the device unsubscribed.",
        {"{{reason}}": or_nothing(rate("essaim_storage_wakes_refused_total", "reason"))},
        "ops",
    ),
    graph(
        "Links from storage to push nodes",
        "Each storage node has one to every node of every push host.",
        {"{{pod}}": "essaim_storage_push_nodes_linked{@}"},
    ),
    graph(
        "Calls of devices",
        "A second, by method: Subscribe, Renew, Rotate, Unsubscribe, List.",
        {"{{method}}": or_nothing(rate("essaim_push_calls_total", "method"))},
        "ops",
    ),
)
PROVIDERS = (
    graph(
        "Deliveries, by kind and outcome",
        "Calls of providers a second. `credentials` is the operator's to mend.",
        {"{{kind}} {{outcome}}": or_nothing(rate("essaim_push_deliveries_total", "kind, outcome"))},
        "ops",
        stacked=True,
    ),
    graph(
        "A provider's call, seconds",
        "Until it answered, or was given up.",
        quantiles("essaim_push_provider_seconds"),
        "s",
    ),
    graph(
        "A prompt wake's way through the host, seconds",
        "From its arrival to the first call of its provider.",
        quantiles("essaim_push_prompt_seconds"),
        "s",
        steps=up_is_bad(0.25, 1),
    ),
    graph(
        "Calls under way",
        "Of providers, by node; `deliveries` at most.",
        {"{{pod}}": "essaim_push_deliveries_running{@}"},
    ),
    graph(
        "Given up",
        "Deliveries a second whose time was over at a host, and wakes that no host took in a day.",
        {
            "{{pod}} host": rate("essaim_push_expired_total", "pod"),
            "{{pod}} storage": rate("essaim_storage_wakes_given_up_total", "pod"),
        },
        "ops",
        steps=up_is_bad(0.01, 1),
    ),
)
DATABASE = (
    graph(
        "Commit, seconds",
        "One transaction with its commit; storage nodes wait for it.",
        quantiles("essaim_push_commit_seconds"),
        "s",
        steps=up_is_bad(0.1, 0.5),
    ),
    graph(
        "Transactions that failed",
        "A second; their jobs are refused, and asked again.",
        {"{{pod}}": rate("essaim_push_database_faults_total", "pod")},
        "ops",
        steps=up_is_bad(0.1, 1),
    ),
)
PUSH = Board(
    "push",
    "Essaim / Push",
    "Who is woken, what providers answer, what waits, what storage owes.",
    {
        "State": STATE,
        "Wakes": WAKES,
        "Providers": PROVIDERS,
        "Database": DATABASE,
        "Processes": (*machine("push"), clock("push")),
    },
)
