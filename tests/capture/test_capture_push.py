"""What push and open groups show on the wire, and inside it, to each who takes part: needs root, as test_capture.py.

Storage nodes and relays never get to know the endpoint, the push host no mailbox and no client's address, the host of
open groups no client's address and no account. TLS hides all of it from a capture, so that relays' cells and wakes are
looked at as they were inside, too.
"""

import random
import sqlite3
from collections.abc import Iterable, Iterator

from canary.forms import Canary, Kind, needles
from capture.errand import POST
from capture.noting import CAME, CAME_WAKES, LEFT, TOLD_WAKES, pieces
from capture.packet import TCP, Packet
from capture.story import LAYOUT, PEOPLE, RECEIVER
from capture.window import shared
from essaim.protocol.account import AccountId
from essaim.protocol.push.url import Url
from essaim.protocol.push.wake import WakeBatch, parse
from essaim.protocol.push.webhook import read_secret
from essaim_client.messaging.addresses import outbox, public_inbox
from essaim_storage.files import DATABASE_FILE

RELAYS = [f"relay-{number}" for number in range(1, LAYOUT.relays + 1)]
STORAGE = [f"storage-{number}" for number in range(1, LAYOUT.storage + 1)]


def leaks(contents: Iterable[bytes], secrets: Iterable[Canary]) -> list[str]:
    """In which forms secrets are in any of these."""
    forms = [(f"{secret.kind} {name}", form) for secret in secrets for name, form in needles(secret).items()]
    return [name for content in contents for name, form in forms if form in content]


def endpoint_of(url: str, secret: str) -> list[Canary]:
    """The address as it is written, host and port alone, and what signs its calls."""
    parsed = Url.parse(url)
    parts = (url.encode(), parsed.authority.encode(), read_secret(secret))
    return [Canary(Kind.ENDPOINT, each) for each in parts]


def mailboxes(captured) -> Iterator[bytes]:
    """Of everybody, and what was stored there, as storage's databases name them."""
    for name in STORAGE:
        with sqlite3.connect(f"file:{captured.folder}/network/{name}/{DATABASE_FILE}?mode=ro", uri=True) as opened:
            yield from (each for (each,) in opened.execute("SELECT mailbox_id FROM mailbox"))
            yield from (each for (each,) in opened.execute("SELECT record_id FROM record WHERE kind = 0"))
        opened.close()


def inside(captured, name: str, *files: str) -> list[bytes]:
    """What a node kept of what TLS hides."""
    return [piece for file in files for piece in pieces(captured.folder / "network" / name / file)]


def met(captured, name: str) -> set[str]:
    """With whom a place exchanged packets."""
    of = {address: place for place, address in captured.addresses.items()}
    return {of[each] for packet in captured.at(name) for each in (packet.source, packet.target)} - {name}


def test_the_sleeper_was_woken(captured):
    assert all(each["document"]["data"]["preview"] for each in captured.told["woken"])
    assert len(captured.at(RECEIVER)) > 10


def test_storage_and_relays_get_no_endpoint(captured):
    """Neither on the wire nor inside it; and none of them has a packet of the server that is woken."""
    secrets = endpoint_of(*captured.told["endpoint"])
    others = [each for each in captured.files if each not in ("push-1", RECEIVER, "control")]
    assert not leaks((captured.files[name].read_bytes() for name in others), secrets)
    assert not leaks((cell for name in RELAYS for cell in inside(captured, name, CAME, LEFT)), secrets)
    assert not leaks((batch for name in STORAGE for batch in inside(captured, name, TOLD_WAKES)), secrets)
    assert [name for name in others if RECEIVER in met(captured, name)] == []
    assert met(captured, RECEIVER) == {"push-1", "control"}


def test_what_storage_tells_the_push_host_holds_no_mailbox(captured):
    """Not eight bytes in a row of a mailbox or envelope, and no account; the host hears nothing else."""
    told = [batch for name in STORAGE for batch in inside(captured, name, TOLD_WAKES)]
    known, accounts = set(mailboxes(captured)), [AccountId.parse(each) for each in captured.told["accounts"]]
    known |= {policy(each).mailbox_id for each in accounts for policy in (public_inbox, outbox)}
    assert told and all(isinstance(parse(each), WakeBatch) and parse(each).wakes for each in told)
    assert len(known) > 20, "what must not be there is known"
    assert not shared(told, [*known, *(each.raw for each in accounts)])
    assert set(inside(captured, "push-1", CAME_WAKES)) <= set(told)
    planted = min(known)[8:24]
    assert shared([*told, b"planted " + planted], known), "a part of one would be found"


def test_push_host_and_host_of_open_groups_meet_nodes_alone(captured):
    """No client's address, in whatever form: neither in a packet's head nor in what packets carry or a wake says."""
    people = [Canary(Kind.ADDRESS, captured.addresses[name].encode()) for name in PEOPLE]
    nodes = {"discovery", *RELAYS}
    assert met(captured, "push-1") <= nodes | set(STORAGE) | {RECEIVER}
    assert met(captured, "opengroup-1") <= nodes
    for name in ("push-1", "opengroup-1"):
        assert met(captured, name) & set(RELAYS), "it was reached"
        assert not leaks((packet.payload for packet in captured.at(name)), people), name
    assert not leaks(inside(captured, "push-1", CAME_WAKES), people)


def test_nothing_of_a_post_or_its_author_is_on_the_wire(captured):
    account = captured.told["accounts"][-1]
    secrets = [Canary(Kind.TEXT, POST.encode()), Canary(Kind.ACCOUNT, account.encode())]
    secrets.append(Canary(Kind.ACCOUNT, AccountId.parse(account).raw))
    assert not leaks((each.read_bytes() for each in captured.files.values()), secrets)
    assert not leaks((cell for name in RELAYS for cell in inside(captured, name, CAME, LEFT)), secrets)
    kept = b"".join(each.read_bytes() for each in (captured.folder / "network" / "opengroup-1").glob("*.db*"))
    assert POST.encode() in kept, "the host has the post: the search would find it"
    assert not leaks([kept], secrets[1:]), "and not who wrote it"


# The search itself can fail. These need no root.


def test_an_endpoint_would_be_found_in_any_form():
    secrets = endpoint_of("https://198.18.77.30:40123/hook", "whsec_" + "QUJD" * 10 + "QUI=")
    noise = random.Random(3).randbytes(4_000)
    assert not leaks([noise], secrets)
    for secret in secrets:
        for name, form in needles(secret).items():
            assert leaks([noise[:50] + form + noise[50:]], secrets), name


def test_a_client_address_would_be_found():
    people = [Canary(Kind.ADDRESS, b"198.18.77.20")]
    assert leaks([Packet("a", "b", TCP, payload=b"from 198.18.77.20 to").payload], people)
    assert not leaks([b"from 198.18.77.21 to"], people)
