"""Backups of one's conversations and of what the devices agree on: no keys, nothing that was deleted, nothing that
disappears; and what was deleted later does not come back with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from essaim.messaging.v1 import backup_pb2, content_pb2
from essaim.protocol import backup
from essaim.protocol.backup import BackupRefusedError, Lock
from essaim.protocol.errors import ProtocolError
from essaim.protocol.keys import KeyRefusedError
from essaim_client.mailbox.swarm_call import Swarms
from essaim_client.messaging.agreement import Agreement
from essaim_client.messaging.configuration_sync import ConfigurationSync
from essaim_client.messaging.conversations import Conversations
from essaim_client.messaging.intake import Intake
from essaim_client.messaging.profile import GROUP, Profile


class DeletionsUnknownError(ProtocolError):
    """What was deleted since is not known, so nothing is brought back: the account's configuration cannot be found."""

    reason = "DELETIONS_UNKNOWN"


@dataclass(frozen=True)
class BroughtBack:
    """Entries that were added; and those that were deleted since, or are here already."""

    added: int
    passed_over: int


class Backups:
    """`lock`: Lock.account(...) on a manager, Lock.passphrase(...) anywhere."""

    def __init__(
        self,
        swarms: Swarms,
        profile: Profile,
        agreement: Agreement,
        *,
        conversations: Conversations,
        intake: Intake,
        configuration: ConfigurationSync,
    ) -> None:
        self._swarms = swarms
        self._profile = profile
        self._agreement = agreement
        self._conversations = conversations
        self._intake = intake
        self._configuration = configuration

    def lock(self, passphrase: str | None) -> Lock:
        """Without a passphrase the account's own key, which its phrase recovers (NotAManagerError)."""
        if passphrase is None:
            return Lock.account(self._profile.keys.backup_key)
        return Lock.passphrase(passphrase)

    def write(self, path: Path, lock: Lock) -> int:
        """A new file, readable by its owner alone; how many entries are in it."""
        with path.open("xb") as file:
            path.chmod(0o600)
            return backup.write(file, self._records(), lock, self._swarms.random) - 2

    def _records(self) -> Iterator[bytes]:
        now_ms = self._swarms.clock.now_ms()
        beginning = backup_pb2.Beginning(account=self._profile.own, created_ms=now_ms)
        yield backup_pb2.BackupRecord(beginning=beginning).SerializeToString()
        configuration = self._profile.configuration.encode()
        yield backup_pb2.BackupRecord(configuration=configuration).SerializeToString()
        for entry in self._profile.store.history.entries():
            if entry.content and not _disappears(entry.content) and not self._is_over(entry.conversation):
                kept = content_pb2.Entry(author=entry.author, content=entry.content, slot=entry.slot)
                record = backup_pb2.KeptEntry(conversation=entry.conversation, entry=kept)
                yield backup_pb2.BackupRecord(entry=record).SerializeToString()

    def _is_over(self, conversation: bytes) -> bool:
        """A closed group that this account is not in any more."""
        known = self._profile.store.groups.knows(conversation)
        return known and self._profile.configuration.value(GROUP + conversation) is None

    async def bring_back(self, path: Path, lock: Lock) -> BroughtBack:
        """Add what the file has and this device lacks, but for what was deleted since the backup was made.

        Raises BackupRefusedError (then nothing was added), DeletionsUnknownError, SwarmUnreachableError.
        """
        await self._configuration.sync()
        if not self._configuration.found:
            raise DeletionsUnknownError("what was deleted since the backup is not known, so nothing is brought back")
        with path.open("rb") as file, self._profile.store.transaction():
            return self._add(_decoded(backup.read(file, lock)))

    def _add(self, records: Iterator[backup_pb2.BackupRecord]) -> BroughtBack:
        beginning = next(records, backup_pb2.BackupRecord()).beginning
        if beginning.account != self._profile.own:
            raise BackupRefusedError("a backup of another account")
        too_old = beginning.created_ms <= self._agreement.deletions_floor_ms
        added = passed_over = 0
        for record in records:
            if record.WhichOneof("body") == "configuration":
                self._intake.merge(record.configuration)
            elif not too_old and self._entry(record.entry):
                added += 1
            else:
                passed_over += 1
        return BroughtBack(added, passed_over)

    def _entry(self, kept: backup_pb2.KeptEntry) -> bool:
        author, conversation = kept.entry.author, kept.conversation
        try:
            content = content_pb2.Content.FromString(kept.entry.content)
        except DecodeError as error:
            raise BackupRefusedError("an entry of the backup is damaged") from error
        here = self._profile.store.history.find(conversation, content.message_id)
        if any(entry.author == author for entry in here):
            return False
        if self._agreement.deleted(conversation, author, content.message_id):
            return False
        try:
            self._conversations.take(conversation, author, kept.entry.slot, content)
        except KeyRefusedError as error:
            raise BackupRefusedError("an entry of the backup is of an account that is none") from error
        return True


def _disappears(content: bytes) -> bool:
    return content_pb2.Content.FromString(content).HasField("disappearing")


def _decoded(records: Iterator[bytes]) -> Iterator[backup_pb2.BackupRecord]:
    for record in records:
        try:
            yield backup_pb2.BackupRecord.FromString(record)
        except DecodeError as error:
            raise BackupRefusedError("a record of the backup is damaged") from error
