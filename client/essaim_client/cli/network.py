"""`essaim path` and `essaim nodes`: what a client knows of its network."""

from collections.abc import Mapping

from rich.table import Table

from essaim.protocol.view import Node
from essaim_client.cli.options import HomeOption, JsonOption, PassphraseFileOption, home_of, passphrase_for
from essaim_client.cli.output import emit, run, screen, sentences, visible, warn
from essaim_client.client import Client
from essaim_client.trace import Trace


def path(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """Send a real request, and tell which nodes carried it and what each of them saw."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def work() -> None:
            async with Client.open(place, passphrase=passphrase) as me:
                warn(me)
                trace = await me.trace()
                if as_json:
                    emit(_flat_trace(trace))
                else:
                    _show_trace(trace)

        run(work)


def nodes(home: HomeOption = None, passphrase_file: PassphraseFileOption = None, as_json: JsonOption = False) -> None:
    """List the nodes of the signed network view."""
    with sentences(as_json):
        place = home_of(home)
        passphrase = passphrase_for(place, passphrase_file)

        async def work() -> None:
            async with Client.open(place, passphrase=passphrase) as me:
                warn(me)
                if as_json:
                    listed = [_flat_node(node) for node in me.nodes()]
                    emit({"epoch": me.view.epoch, "serial": me.view.serial, "nodes": listed})
                else:
                    _show_nodes(me)

        run(work)


def _flat_trace(trace: Trace) -> Mapping[str, object]:
    hops = [
        {
            "position": hop.position,
            "node_id": hop.node_id.hex(),
            "role": hop.role,
            "address": hop.address,
            "sees": dict(hop.sees),
        }
        for hop in trace.hops
    ]
    return {"milliseconds": round(trace.milliseconds, 1), "hops": hops}


def _show_trace(trace: Trace) -> None:
    for hop in trace.hops:
        screen.print(f"{hop.position}  {hop.node_id.hex()[:16]}  {hop.role}  {hop.address}", style="bold")
        for name, value in hop.sees.items():
            screen.print(f"    {name.replace('_', ' ')}: {value}")
    screen.print(f"answered in {trace.milliseconds:.0f} ms")


def _flat_node(node: Node) -> Mapping[str, object]:
    return {
        "node_id": node.node_id.hex(),
        "role": node.role.name.lower(),
        "state": node.state.name.lower(),
        "address": node.address,
        "operator_id": node.operator_id.hex(),
        "region": node.region,
        "swarm_id": None if node.swarm_id is None else f"{node.swarm_id:016x}",
    }


def _show_nodes(me: Client) -> None:
    table = Table("node", "role", "state", "address", "region", "swarm", title=f"view {me.view.epoch}.{me.view.serial}")
    for node in me.nodes():
        flat = _flat_node(node)
        swarm = str(flat["swarm_id"] or "-")
        table.add_row(
            node.node_id.hex()[:16],
            node.role.name.lower(),
            node.state.name.lower(),
            node.address,
            visible(node.region) or "-",
            swarm,
        )
    screen.print(table)
