"""The row that every dashboard ends with: the processes themselves."""

from collections.abc import Sequence

from dashboards.panel import AMBER, GREEN, RED, Panel, graph, or_nothing, quantiles, rate, up_is_bad


def machine(service: str = "") -> Sequence[Panel]:
    """Of one kind of node, or of all."""
    where = f'pod=~".*-{service}-.*"' if service else ""
    return (*_process(where), *_room(where))


def _process(where: str) -> Sequence[Panel]:
    more = where and ", " + where
    lag = quantiles("essaim_loop_lag_seconds", where)["99 of 100 below"]
    return (
        graph(
            "Processor",
            "Seconds of processor time a second, by pod. A node is one event loop: near 1 it is at its end.",
            {"{{pod}}": f"rate(process_cpu_seconds_total{{@{more}}}[$__rate_interval])"},
            "percentunit",
            steps=up_is_bad(0.7, 0.9),
            width=6,
        ),
        graph(
            "Memory",
            "Resident memory by pod. Compare with the container's limit; it should be flat under a flat load.",
            {"{{pod}}": f"process_resident_memory_bytes{{@{more}}}"},
            "bytes",
            width=6,
        ),
        graph(
            "Lateness of the event loop",
            "How late a sleeper is woken, 99 of 100 below. It delays every request of the node by as much.",
            {"99 of 100 below": lag},
            "s",
            steps=up_is_bad(0.1, 0.25),
            width=6,
        ),
        graph(
            "Open files",
            "Share of the file descriptors that a process may have. Links need one for each connection.",
            {"{{pod}}": f"process_open_fds{{@{more}}} / process_max_fds{{@{more}}}"},
            "percentunit",
            steps=up_is_bad(0.6, 0.8),
            width=6,
        ),
    )


def _room(where: str) -> Sequence[Panel]:
    more = where and ", " + where
    return (
        graph(
            "Room on the volume",
            "Free share of the volume with a node's data. Storage refuses stores when it is full, and loses nothing.",
            {"{{pod}}": f"essaim_volume_free_bytes{{@{more}}} / essaim_volume_size_bytes{{@{more}}}"},
            "percentunit",
            base=RED,
            steps=((0.1, AMBER), (0.2, GREEN)),
            width=6,
        ),
        graph(
            "Load that was shed",
            "Requests a second that were refused BUSY, by what was full: the budget of a link, of the guard's door, the"
            " calls of a node, the requests of a destination.",
            {"{{full}}": rate("essaim_shed_total", "full", where)},
            "reqps",
            steps=up_is_bad(1, 10),
            width=6,
        ),
        graph(
            "Events at warning and error",
            "Log events a minute by name. call_failed and library are faults of the program; report them.",
            {
                "{{event}}": or_nothing(
                    f'60 * sum by (event) (rate(essaim_log_events_total{{@{more}, level=~"warning|error"}}'
                    "[$__rate_interval]))"
                )
            },
            width=6,
            steps=up_is_bad(1, 10),
        ),
    )


def clock(service: str = "") -> Panel:
    """Of nodes that have a discovery."""
    where = f', pod=~".*-{service}-.*"' if service else ""
    return graph(
        "Clock against discovery's",
        "A node whose clock is more than some seconds off refuses good cells as STALE, or is refused.",
        {"{{pod}}": f"essaim_clock_offset_seconds{{@{where}}}"},
        "s",
        steps=up_is_bad(5, 30),
        width=6,
    )
