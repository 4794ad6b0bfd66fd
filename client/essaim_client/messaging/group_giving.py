"""What one device gives another of a group: records, epochs, its chain, and entries with what proves them."""

from collections.abc import Iterable, Iterator

from essaim.messaging.v1 import content_pb2, group_pb2
from essaim.protocol.errors import ProtocolError
from essaim.protocol.group.bundle import pack
from essaim.protocol.group.log import WANTED_MAX
from essaim.protocol.group.record import Record
from essaim.protocol.group.sender_key import Proof, Said
from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.keys import VerifyKey
from essaim_client.messaging.giving import ASKED_MAX, BEFORE_MAX, ROOM
from essaim_client.messaging.group_book import ClosedGroup, GroupBook, epoch_message
from essaim_client.messaging.group_posting import chain_message
from essaim_client.messaging.profile import Profile
from essaim_client.store.closed_groups import KeptProof
from essaim_client.store.history import Entry


class GroupGiving:
    """The caller has checked that the asker is in the group."""

    def __init__(self, profile: Profile, book: GroupBook) -> None:
        self._profile = profile
        self._history = profile.store.history
        self._book = book

    # Records and keys

    def answer(self, group: ClosedGroup, account: bytes, ask: group_pb2.GroupAsk) -> list[content_pb2.Group]:
        """What the asker lacks; and a question, where it knows more. The first message has the keys."""
        lacking = group.log.unknown_to(ask.heads)
        there = {record.record_id for record in lacking}
        lacking += [each for each in group.log.find(ask.records[:WANTED_MAX]) if each.record_id not in there]
        parts = [content_pb2.Group(group_id=group.group_id, records=pack(each)) for each in _portions(lacking)]
        first = parts[0] if parts else content_pb2.Group(group_id=group.group_id)
        epoch, role = group.epoch, group.roster
        if epoch is not None and account in role.members:
            first.epochs.append(epoch_message(epoch))
        if ask.chain and role.is_member(account) and group.speaking is not None:
            first.chain.CopyFrom(chain_message(group.speaking.chain.following()))
        if role.is_admin(account):
            first.admin_seed = group.admin_seed
        if any(head not in group.log for head in ask.heads):
            first.ask.heads.extend(group.log.heads)
            first.ask.SetInParent()
        return parts or [first]

    def farewell(self, group: ClosedGroup, account: bytes, ask: group_pb2.GroupAsk) -> list[content_pb2.Group]:
        """For who asks and is no member any more: that it is so, and nothing that came later."""
        lacking = [each for each in group.log.until_gone(account) if each.record_id not in ask.heads]
        parts = _portions(lacking)
        return [content_pb2.Group(group_id=group.group_id, records=pack(part)) for part in parts]

    def whole(self, group: ClosedGroup) -> list[content_pb2.Group]:
        """Everything that another own device needs, but the chains of others."""
        parts = self.answer(group, self._profile.own, group_pb2.GroupAsk())
        del parts[0].epochs[:]
        parts[0].epochs.extend(map(epoch_message, group.epochs.values()))
        parts[0].admin_seed = group.admin_seed
        return parts

    # Entries

    def entries(self, group: ClosedGroup, ids: Iterable[bytes], account: bytes) -> content_pb2.Given:
        """Those asked for that the asker may read, and as far as there is room those before them.

        Who was no member yet where an entry was said is not given it: to them it is gone. Nothing is said of one of
        which that is not known.
        """
        names = list(dict.fromkeys(ids))[:ASKED_MAX]
        asked = [entry for name in names for entry in self._history.find(group.group_id, name)]
        here = [entry for entry in asked if entry.content and self._may_read(group, entry, account)]
        given, room = content_pb2.Given(), ROOM
        for entry in asked:
            if not entry.content or self._may_read(group, entry, account) is False:
                given.gone.add(message_id=entry.message_id)
        for entry in [*here, *self._before(group, here, account)]:
            message = self._message(group, entry)
            room -= message.ByteSize() + 8
            if room < 0 and given.entries:
                break
            given.entries.append(message)
        return given

    def _before(self, group: ClosedGroup, here: list[Entry], account: bytes) -> Iterator[Entry]:
        if here:
            earliest = min(here, key=lambda entry: (entry.position, entry.message_id))
            for entry in self._history.before(earliest, BEFORE_MAX):
                if self._may_read(group, entry, account):
                    yield entry

    def _may_read(self, group: ClosedGroup, entry: Entry, account: bytes) -> bool | None:
        """Whether the account was a member where the entry was said; None: that is not known here."""
        if account == self._profile.own:
            return True
        proof = self._book.store.proof(group.group_id, entry.author, entry.message_id)
        then = group.log.roster_at(heads_of(proof.heads)) if proof else None
        return then.is_member(account) if then is not None else None

    def _message(self, group: ClosedGroup, entry: Entry) -> content_pb2.Entry:
        message = content_pb2.Entry(author=entry.author, content=entry.content, slot=entry.slot)
        kept = self._book.store.proof(group.group_id, entry.author, entry.message_id)
        if kept is not None:
            message.proof.chain_id, message.proof.number, message.proof.signature = kept[:3]
            message.proof.heads.extend(heads_of(kept.heads))
        return message

    # Believing what is given

    def proven(self, group: ClosedGroup, entry: content_pb2.Entry) -> bool:
        """Whether its author's device is known to have said it, whoever brings it."""
        kept = self._book.store.chain(group.group_id, entry.proof.chain_id, entry.author, entry.slot)
        if kept is None:
            return False
        proof = Proof(entry.proof.chain_id, entry.proof.number, entry.proof.signature)
        try:
            return proof.holds(VerifyKey(kept.signing), group.group_id, Said(tuple(entry.proof.heads), entry.content))
        except (ProtocolError, ValueError, OverflowError):
            return False


def heads_of(joined: bytes) -> list[bytes]:
    """As a proof is kept: one after the other."""
    return [joined[at : at + HASH_SIZE] for at in range(0, len(joined), HASH_SIZE)]


def kept_proof(proof: group_pb2.GroupProof) -> KeptProof:
    """As it came with an entry."""
    return KeptProof(proof.chain_id, proof.number, proof.signature, b"".join(proof.heads))


def _portions(records: Iterable[Record]) -> list[list[Record]]:
    """In messages that are not too long."""
    portions: list[list[Record]] = []
    room = 0
    for record in records:
        size = len(record.statement) + 64 + len(record.certificate.encode()) + 16
        if not portions or size > room:
            portions.append([])
            room = ROOM
        portions[-1].append(record)
        room -= size
    return portions
