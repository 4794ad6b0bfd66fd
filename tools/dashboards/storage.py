"""The swarms: what is asked of them, what they have on disk, whether every member has it."""

from dashboards.board import Board
from dashboards.machine import clock, machine
from dashboards.panel import graph, mean, quantiles, rate, stat_of, up_is_bad

METHODS = 'method=~"Store|Retrieve|Confirm|ClaimPrekey|PublishPrekeys"'
HEALTH = (
    stat_of(
        "Nodes that catch up",
        "They were away and fetch what they missed; they answer reads, saying so. More than one in a swarm: wait.",
        "sum(essaim_storage_incomplete{@})",
        steps=up_is_bad(1, 3),
    ),
    stat_of(
        "Copies owed",
        "Of records, to members that have not acknowledged them.",
        "sum(essaim_storage_copies_owed{@})",
        steps=up_is_bad(1_000, 10_000),
    ),
    stat_of(
        "Replication lag",
        "How long the oldest record that some member lacks has been waiting for it.",
        "max(essaim_storage_replication_lag_seconds{@})",
        "s",
        steps=up_is_bad(60, 300),
    ),
    stat_of(
        "Bad records",
        "In the last day: a disk gave back other bytes than were written. They are fetched anew.",
        "sum(increase(essaim_storage_bad_records_total{@}[1d]))",
        steps=up_is_bad(1, 10),
    ),
    stat_of(
        "Swarms short of a member",
        "Everything works, with less to spare.",
        'sum(essaim_discovery_swarms{@, health="SHORT"})',
        steps=((1, "orange"),),
    ),
    stat_of(
        "Swarms without a quorum",
        "Nothing can be stored there until members return.",
        'sum(essaim_discovery_swarms{@, health="BROKEN"})',
        steps=((1, "red"),),
    ),
)
ASKED = (
    graph(
        "Envelopes to be stored, by outcome",
        "A second. QUORUM_MISSING and DISK_FULL are the operator's; QUOTA, PUZZLE_REQUIRED and others the client's.",
        {"{{outcome}}": rate("essaim_storage_stores_total", "outcome")},
        "ops",
        stacked=True,
    ),
    graph(
        "Requests by method, half below",
        "Seconds in the storage node. Store waits for the disks of a quorum.",
        {"{{method}}": quantiles("essaim_onion_request_seconds", METHODS, "method")["{{method}} half below"]},
        "s",
    ),
    graph(
        "Requests by method, 99 of 100 below",
        "Seconds in the storage node.",
        {"{{method}}": quantiles("essaim_onion_request_seconds", METHODS, "method")["{{method}} 99 of 100 below"]},
        "s",
        steps=up_is_bad(0.25, 0.5),
    ),
    graph(
        "Requests that wait",
        "For the disk or for a quorum, by node.",
        {"{{pod}}": "essaim_storage_requests_waiting{@}"},
        steps=up_is_bad(200, 1_000),
    ),
    graph(
        "Devices that listen",
        "Open subscriptions by node.",
        {"{{pod}}": "essaim_storage_subscribers{@}"},
    ),
    graph(
        "Cells at storage nodes",
        "A second by what became of them. Anything but DELIVER was refused or is cover.",
        {"{{outcome}}": rate("essaim_destination_cells_total", "outcome", 'pod=~".*-storage-.*"')},
        "cps",
    ),
)
DISK = (
    graph(
        "Commit, seconds",
        "One transaction with its fsync, all nodes. This is the floor of every Store.",
        quantiles("essaim_storage_commit_seconds"),
        "s",
        steps=up_is_bad(0.1, 0.5),
    ),
    graph(
        "Changes in a commit, mean",
        "Group commit: the busier a node, the more share one fsync.",
        {"{{pod}}": mean("essaim_storage_commit_changes")},
        "none",
    ),
    graph(
        "Commits",
        "A second, by node; members of one swarm are alike.",
        {"{{pod}}": rate("essaim_storage_commit_seconds_count", "pod")},
        "ops",
    ),
    graph(
        "Envelopes",
        "On each node's disk. Members of one swarm should be equal but for what is under way.",
        {"{{pod}}": "essaim_storage_envelopes{@}"},
    ),
    graph(
        "Bytes of envelopes",
        "On the disk of each node, without what they are written with.",
        {"{{pod}}": "essaim_storage_bytes{@}"},
        "bytes",
    ),
    graph(
        "Database",
        "Bytes that are used, free pages left out. The limit is --max-bytes, 0 where there is none.",
        {"{{pod}}": "essaim_storage_database_bytes{@}", "limit {{pod}}": "essaim_storage_limit_bytes{@} > 0"},
        "bytes",
    ),
)
SWARM = (
    graph(
        "Under-replicated",
        "Records that the member furthest behind lacks, by the node that took them.",
        {"{{pod}}": "essaim_storage_under_replicated{@}"},
        steps=up_is_bad(100, 1_000),
    ),
    graph(
        "Replication lag",
        "Of the oldest record that a member lacks, by the node that took it.",
        {"{{pod}}": "essaim_storage_replication_lag_seconds{@}"},
        "s",
        steps=up_is_bad(60, 300),
    ),
    graph(
        "Members behind, and linked",
        "Other members that may lack something, and those that a link leads to.",
        {
            "behind {{pod}}": "essaim_storage_members_behind{@}",
            "linked {{pod}}": "essaim_storage_members_linked{@}",
        },
    ),
    graph(
        "Messages between members",
        "A second by kind. WRITE and ACK follow the stores; DIGEST, FETCH and RECORDS are repair.",
        {"{{direction}} {{kind}}": rate("essaim_storage_messages_total", "direction, kind")},
        "cps",
        width=16,
    ),
    graph(
        "Records verified",
        "A second: the scrubber reads all again and again and compares checksums.",
        {"{{pod}}": rate("essaim_storage_scrubbed_total", "pod")},
        "ops",
    ),
)
STORAGE = Board(
    "storage",
    "Essaim / Storage",
    "What clients ask of the swarms, how fast the disks are, whether every member has what it should.",
    {
        "Health": HEALTH,
        "Requests": ASKED,
        "Disk": DISK,
        "Swarm": SWARM,
        "Processes": (*machine("storage"), clock("storage")),
    },
)
