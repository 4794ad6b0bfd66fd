"""What an export is of: a conversation of two, named by the other side, or a closed group."""

from dataclasses import dataclass

from essaim.messaging.v1 import export_pb2
from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.export.refusal import ExportRefusedError
from essaim.protocol.kdf import HASH_SIZE
from essaim.protocol.keys import VerifyKey

NAME_MAX = 200
KNOWN_MAX = 1_024
"""Authors of a group whose keys are not checked again: memory does not grow with the file."""


@dataclass(frozen=True)
class ExportedGroup:
    """A closed group, with the name that it had for who made the export."""

    group_id: bytes
    name: str

    @property
    def raw(self) -> bytes:
        """As conversations are named on a device."""
        return self.group_id


Subject = AccountId | ExportedGroup


def describe(opening: export_pb2.ExportOpening, subject: Subject) -> None:
    """Write into the opening what the export is of."""
    if isinstance(subject, ExportedGroup):
        opening.group_id, opening.group_name = subject.group_id, subject.name
    else:
        opening.conversation = subject.raw


def subject_of(opening: export_pb2.ExportOpening) -> Subject:
    """Either of both. Raises ExportRefusedError, or another ProtocolError for a key that is none."""
    if not opening.group_id and not opening.group_name:
        return AccountId(VerifyKey(opening.conversation))
    named = 0 < len(opening.group_name.encode()) <= NAME_MAX
    if opening.conversation or len(opening.group_id) != HASH_SIZE or not named:
        raise ExportRefusedError("the export does not say of which conversation it is")
    return ExportedGroup(opening.group_id, opening.group_name)


class Authors:
    """Whose messages may be in it: of two sides theirs, in a group anybody's."""

    def __init__(self, exporter: AccountId, subject: Subject) -> None:
        self._known = {exporter.raw} if isinstance(subject, ExportedGroup) else {exporter.raw, subject.raw}
        self._open = isinstance(subject, ExportedGroup)

    def hold(self, author: bytes) -> bool:
        if author in self._known:
            return True
        try:
            AccountId(VerifyKey(author))
        except ProtocolError:
            return False
        if self._open and len(self._known) < KNOWN_MAX:
            self._known.add(author)
        return self._open
