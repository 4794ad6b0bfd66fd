"""An account that we talk with: its pinned manifest, and the sessions with each of its devices (Sesame).

    pin        head || signature, as manifest.py lays it out
    sessions   version 1 | device record 114 | count 1 | count x (length 4 | session), the active one first

Signal, "The Sesame Algorithm", revision 2: the newest session that opens something becomes the active one; a few that
were active before are kept, for messages on their way and for both sides having begun at once.
"""

from enum import Enum

from essaim.protocol.account import AccountId
from essaim.protocol.errors import ProtocolError
from essaim.protocol.layout import Reader, block
from essaim.protocol.manifest import (
    Certificate,
    DeviceRecord,
    Head,
    Manifest,
    ManifestForkError,
    ManifestRefusedError,
    ManifestRollbackError,
)
from essaim.protocol.session import Session

VERSION = 1
INACTIVE_KEPT = 5


class NoSessionError(ProtocolError):
    """Nothing can be sent to this device before a handshake."""

    reason = "NO_SESSION"


class Change(Enum):
    """What the user should see."""

    NEW_ACCOUNT = "NEW_ACCOUNT"
    DEVICES_CHANGED = "DEVICES_CHANGED"
    SESSION_RENEWED = "SESSION_RENEWED"


class DeviceSessions:
    """The sessions with one device, the active one first."""

    def __init__(self, record: DeviceRecord, sessions: list[Session] | None = None) -> None:
        self.record = record
        self.sessions = sessions or []

    @property
    def active(self) -> Session:
        if not self.sessions:
            raise NoSessionError("no session with this device")
        return self.sessions[0]

    def activate(self, session: Session) -> list[Session]:
        """Put `session`, new or old, first; gives those that fall off the end."""
        if self.sessions and self.sessions[0] is session:
            return []
        others = [other for other in self.sessions if other is not session]
        self.sessions, dropped = [session, *others[:INACTIVE_KEPT]], others[INACTIVE_KEPT:]
        return dropped

    def retire_others(self, base: bytes = b"") -> None:
        """All but the one of this base (b"": the active one) and those that wait for an answer: who begins at the same
        time has not given up. The one that stays is active from now on."""
        chosen = self.begun_by(base) or self.active
        chosen.retired = False
        self.activate(chosen)
        for session in self.sessions[1:]:
            session.retired = session.retired or session.opening is None

    def give_up(self, base: bytes) -> None:
        """The one of this base is retired; the one that was active before is so again."""
        session = self.begun_by(base)
        if session is not None and len(self.sessions) > 1:
            session.retired = True
            self.sessions = [*(other for other in self.sessions if other is not session), session]

    def begun_by(self, base: bytes) -> Session | None:
        return next((session for session in self.sessions if session.base == base), None)

    def encode(self) -> bytes:
        sessions = b"".join(block(session.encode()) for session in self.sessions)
        return bytes((VERSION,)) + self.record.encode() + bytes((len(self.sessions),)) + sessions

    @classmethod
    def decode(cls, data: bytes) -> "DeviceSessions":
        reader = Reader(data)
        reader.version(VERSION)
        record = DeviceRecord.read(reader)
        sessions = [Session.decode(reader.block()) for _ in range(reader.number(1))]
        reader.end()
        return cls(record, sessions)


class Correspondent:
    """`pinned` is the newest manifest head seen; `devices` by slot."""

    def __init__(self, account: AccountId, pinned: Head | None = None) -> None:
        self.account = account
        self.pinned = pinned
        self.devices: dict[int, DeviceSessions] = {}

    def check_certificate(self, certificate: Certificate) -> None:
        """That the certificate is genuine and its device not known to be gone.

        A message on its way may carry an older certificate than the pinned one: it is good while the device is listed.
        """
        certificate.check()
        if self.pinned is None or certificate.head.version > self.pinned.version:
            return
        if certificate.head.version == self.pinned.version and certificate.head.hash != self.pinned.hash:
            raise ManifestForkError("the account signed two manifests of one version")
        if not self.pinned.lists_device(certificate.device):
            raise ManifestRollbackError("a newer manifest of this account no longer lists this device")

    def check_manifest(self, manifest: Manifest) -> None:
        manifest.check(self.account.identity, self.pinned)

    def pin(self, head: Head) -> tuple[tuple[Change, ...], list[Session]]:
        """Remember a checked head if it is newer: what changed, and the sessions of devices that are gone."""
        before = self.pinned
        if before is not None and head.version <= before.version:
            return (), []
        self.pinned = head
        gone = [slot for slot, device in self.devices.items() if not head.lists_device(device.record)]
        dropped = [session for slot in gone for session in self.devices.pop(slot).sessions]
        if before is None:
            return (Change.NEW_ACCOUNT,), dropped
        return ((Change.DEVICES_CHANGED,) if head.slots != before.slots else ()), dropped

    def device(self, record: DeviceRecord) -> DeviceSessions:
        """The sessions with a listed device; the first time, none."""
        known = self.devices.get(record.slot)
        if known is not None and (known.record is record or known.record == record):
            return known  # it is listed, for `pin` drops those that no longer are
        if self.pinned is None or not self.pinned.lists_device(record):
            raise ManifestRefusedError("the manifest does not list this device")
        return self.devices.setdefault(record.slot, DeviceSessions(record))
