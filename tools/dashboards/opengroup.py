"""Hosts of open groups: what members do there, what is refused, the database, the moderators' queue."""

from dashboards.board import Board
from dashboards.machine import clock, machine
from dashboards.panel import graph, mean, or_nothing, quantiles, rate, stat_of, up_is_bad

STATE = (
    stat_of("Rooms", "On all hosts of this release.", "max(essaim_opengroup_rooms{@})"),
    stat_of("Members", "Keys that the host knows; one person has one here.", "max(essaim_opengroup_members{@})"),
    stat_of("Posts", "That were ever taken, deleted ones among them.", "max(essaim_opengroup_posts{@})"),
    stat_of(
        "Bytes of files",
        "In the database; they expire with their posts.",
        "max(essaim_opengroup_file_bytes{@})",
        "bytes",
    ),
    stat_of(
        "Reports that wait",
        "That members made and no moderator has closed.",
        "max(essaim_opengroup_reports_open{@})",
        steps=up_is_bad(10, 100),
    ),
)
ASKED = (
    graph(
        "Statements by kind",
        "A second: posts, edits, deletions, reactions, pins, purges that entered a room's log.",
        {"{{kind}}": rate("essaim_opengroup_entries_total", "kind")},
        "ops",
        stacked=True,
    ),
    graph(
        "Actions by name",
        "A second, whatever became of them. `changes` are polls, `say` statements.",
        {"{{action}}": rate("essaim_opengroup_actions_total", "action")},
        "ops",
    ),
    graph(
        "Refusals by reason",
        "A second. BUSY, DISK_FULL and INTERNAL are the operator's; the others say what a member may not.",
        {"{{outcome}}": or_nothing(rate("essaim_opengroup_actions_total", "outcome", 'outcome!="OK"'))},
        "ops",
        stacked=True,
    ),
    graph(
        "Moderation",
        "A second: bans, permissions, offices, invitations, closed reports.",
        {
            "{{action}}": or_nothing(
                rate("essaim_opengroup_actions_total", "action", 'action=~"ban|permit|appoint|invite|close_report"')
            )
        },
        "ops",
    ),
    graph(
        "Texts that filters found",
        "A second: refused, kept from others, answered by the host with a whisper.",
        {"{{outcome}}": or_nothing(rate("essaim_opengroup_filtered_total", "outcome"))},
        "ops",
        stacked=True,
    ),
    graph("Live streams", "Members who follow rooms now, by node.", {"{{pod}}": "essaim_opengroup_followers{@}"}),
    graph(
        "Web page, by status",
        "Requests a second for the page of public rooms.",
        {"{{status}}": or_nothing(rate("essaim_opengroup_page_requests_total", "status"))},
        "reqps",
    ),
)
DATABASE = (
    graph(
        "Commit, seconds",
        "One transaction with its commit; members wait for it.",
        quantiles("essaim_opengroup_commit_seconds"),
        "s",
        steps=up_is_bad(0.1, 0.5),
    ),
    graph(
        "Actions in a commit, mean",
        "What waits is one transaction. Many: the disk is the limit.",
        {"{{pod}}": mean("essaim_opengroup_commit_actions")},
        "none",
    ),
    graph("Read, seconds", "One question to the database.", quantiles("essaim_opengroup_read_seconds"), "s"),
    graph(
        "Transactions that failed",
        "A second. Replicas may get into each other's way; then they are done again.",
        {"{{pod}}": rate("essaim_opengroup_database_faults_total", "pod")},
        "ops",
        steps=up_is_bad(0.1, 1),
    ),
)
OPENGROUP = Board(
    "opengroup",
    "Essaim / Open groups",
    "What members of open groups do, what is refused, how the database keeps up.",
    {"Rooms": STATE, "Members": ASKED, "Database": DATABASE, "Processes": (*machine("opengroup"), clock("opengroup"))},
)
