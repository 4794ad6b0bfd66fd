"""What storage nodes keep and log of wakes: no endpoint, nothing of the subscription, no two days to be joined."""

import asyncio
from itertools import combinations
from pathlib import Path

from essaim.protocol.push.endpoint import pack
from essaim.protocol.view import Role
from essaim_client import Client
from essaim_client.push.subscribed import Subscribed
from essaim_storage.files import DATABASE_FILE
from push_receiver.receiver import Receiver
from real_network import PASSPHRASE, RealNetwork
from test_storage_dump import dump

FEW = 24


def folders(network: RealNetwork) -> list[Path]:
    return [network.net.node(name).folder for name in network.net.layout.storage_names]


def push_node(network: RealNetwork) -> bytes:
    view = network.net.view()
    assert view is not None
    [node] = view.active(Role.PUSH)
    return node.node_id


def telling(found: set[bytes], common: bytes) -> set[bytes]:
    """Without what is no more than zeros, or the push host that everybody names, and a few bytes beside it."""
    parts = [bytes(FEW), *(common[at : at + FEW] for at in range(len(common) - FEW + 1))]
    return {each for each in found if not any(part in each for part in parts)}


async def registered(network: RealNetwork, bot: Receiver) -> tuple[Subscribed, set[bytes], set[bytes]]:
    """A device with its public inbox, the days of its private one and of a group: what it keeps, its secrets, its
    mailboxes."""
    person = await network.newcomer()
    async with Client.open(person.home, passphrase=PASSPHRASE) as me:
        await me.ready()
        await me._person.upkeep.tried.wait()
        await me._person.errands.finish()
        await me.groups.create("a group", [])
        await me.push.enable(bot.endpoint, prompt=True, preview=True, groups=True)
        kept = Subscribed.load(me._profile.store)
        assert kept is not None
        keys = me._profile.device.keys
        secrets = {me.account_id.raw, keys.signing.public.raw, keys.agreement.public.raw}
    secrets |= {pack(bot.endpoint)[-64:], bot.endpoint.secret, bot.endpoint.url.text.encode()}
    secrets |= {bytes.fromhex(each) for each in (kept.owner, kept.preview, kept.subscription)} | {
        kept.signer.public.raw
    }
    return kept, secrets, {bytes.fromhex(key.partition("/")[0]) for key in kept.registered}


async def test_storage_keeps_no_endpoint_and_nothing_that_joins_two_days(network: RealNetwork, bot: Receiver) -> None:
    kept, secrets, mailboxes = await registered(network, bot)
    common = b"\x01" + await asyncio.to_thread(push_node, network)
    push_ids = set(kept.registered.values())

    assert len(mailboxes) > 2 * 14, "the public inbox, and each day of the private one and of the group"
    assert len(push_ids) == len(kept.registered), "a push id is registered once"
    seen = 0
    for folder in folders(network):
        held = {name: telling(found, common) for name, found in dump(folder / DATABASE_FILE).items()}
        mine = {name: found for name, found in held.items() if name in mailboxes}
        seen += len(mine)
        assert not [(one, other) for one, other in combinations(mine, 2) if mine[one] & mine[other]]
        others = set().union(*(found for name, found in held.items() if name not in mailboxes))
        assert not [name for name, found in mine.items() if found & others]
    assert seen > 4 * 14, "the dump finds what it is to judge"
    for folder in folders(network):
        raw = b"".join(each.read_bytes() for each in folder.rglob("*") if each.is_file())
        assert bytes.fromhex(next(iter(push_ids))) in raw, "the search would find what must not be there"
        assert not [each for each in secrets if each in raw or each.hex().encode() in raw]


async def test_logs_of_storage_name_neither_push_ids_nor_mailboxes(network: RealNetwork, bot: Receiver) -> None:
    kept, _, mailboxes = await registered(network, bot)
    logged = b"".join(log.read_bytes() for folder in folders(network) for log in folder.glob("log*.jsonl"))

    told = {bytes.fromhex(each) for each in kept.registered.values()} | mailboxes
    assert b'"ready"' in logged
    assert not [each for each in told if each in logged or each.hex().encode() in logged]
