"""What happens to a person: every change that an application may want to show, as a value of its own type."""

from dataclasses import dataclass

from essaim.protocol.account import AccountId
from essaim.protocol.conversation import Change


@dataclass(frozen=True)
class File:
    """A file that belongs to a text: where its pieces are kept until `expires_ms`, and what opens them.

    All of it is the sender's word but the bytes of the file itself: `Client.save_file`. `thumbnail` is a JPEG of
    somebody else's.
    """

    name: str
    media_type: str
    size: int
    key: bytes
    blobs: tuple[bytes, ...]
    thumbnail: bytes = b""
    waveform: bytes = b""
    duration_ms: int = 0
    width: int = 0
    height: int = 0
    expires_ms: int = 0


@dataclass(frozen=True)
class Disappearing:
    """A text goes `after_ms` (5 s to 4 weeks) after it was sent or, with `once_read`, after it was read."""

    after_ms: int
    once_read: bool = False


@dataclass(frozen=True)
class Message:
    """A text. `sent_ms` is the sender's word; `changes` warn of new devices and keys.

    `conversation` is the other side; `sender` is the own account for what another own device sent (`outgoing`).
    `request`: from somebody who is not a contact yet (`Client.accept`, `Client.block`).
    """

    sender: AccountId
    slot: int
    message_id: bytes
    text: str
    sent_ms: int
    received_ms: int
    changes: tuple[Change, ...] = ()
    conversation: AccountId | None = None
    outgoing: bool = False
    request: bool = False
    position: int = 0
    reply_to: bytes = b""
    files: tuple[File, ...] = ()
    disappearing: Disappearing | None = None


@dataclass(frozen=True)
class Reacted:
    """`author` reacted to a text; an empty emoji: took it back."""

    conversation: AccountId
    author: AccountId
    target: bytes
    emoji: str


@dataclass(frozen=True)
class Edited:
    """`author` changed an own text."""

    conversation: AccountId
    author: AccountId
    target: bytes
    text: str


@dataclass(frozen=True)
class Unsent:
    """`author` took an own text back: it is gone here too."""

    conversation: AccountId
    author: AccountId
    target: bytes


@dataclass(frozen=True)
class Disappeared:
    """The time of a text is over: it is gone here too."""

    conversation: AccountId
    author: AccountId
    message_id: bytes


@dataclass(frozen=True)
class TimerChanged:
    """`author` decided when texts of this conversation disappear; None: they stay."""

    conversation: AccountId
    author: AccountId
    disappearing: Disappearing | None


@dataclass(frozen=True)
class Read:
    """`reader` has read texts up to this position: the other side, or another own device."""

    conversation: AccountId
    reader: AccountId
    position: int


@dataclass(frozen=True)
class Typing:
    """The other side is writing; forget it after ten seconds, in a group after forty."""

    conversation: AccountId
    stopped: bool


@dataclass(frozen=True)
class NewDevice:
    """An account has a device that was not seen before: nothing is sent to that account before `Client.acknowledge`.

    Of the own account, too: then somebody has linked one, or has the phrase.
    """

    account: AccountId
    slot: int
    version: int


@dataclass(frozen=True)
class DevicesChanged:
    """The list of the own account's devices is another one."""

    slots: tuple[int, ...]


@dataclass(frozen=True)
class SessionRenewed:
    """A device of somebody began anew: reinstalled, restored, or mended after a loss."""

    account: AccountId
    slot: int


@dataclass(frozen=True)
class AccountMoved:
    """Somebody goes on under another account, signed by both: `Client.follow` takes the conversation there."""

    before: AccountId
    after: AccountId


@dataclass(frozen=True)
class GroupInvited:
    """Somebody invites this account to a closed group: `Client.groups.accept` or `leave`."""

    group_id: bytes
    name: str
    inviter: AccountId


@dataclass(frozen=True)
class GroupChanged:
    """`author` did something to a closed group: "found", "invite", "join", "leave", "remove", "promote", "demote",
    "rename", "picture"; `subject` is the account that it is about."""

    group_id: bytes
    author: AccountId
    act: str
    subject: AccountId


@dataclass(frozen=True)
class InGroup:
    """Something that was said in a closed group; `conversation` of the event is whoever said it.

    Nothing is told of what somebody says whom this person has blocked.
    """

    group_id: bytes
    event: Message | Reacted | Edited | Unsent | Disappeared | TimerChanged | Typing


@dataclass(frozen=True)
class ConfigurationChanged:
    """Contacts, settings or what was read, changed on another own device."""


@dataclass(frozen=True)
class FileProgress:
    """So many bytes of a file have been sent (`outgoing`) or fetched; told at each percent."""

    name: str
    outgoing: bool
    done_bytes: int
    total_bytes: int


Event = (
    Message
    | Reacted
    | Edited
    | Unsent
    | Disappeared
    | TimerChanged
    | Read
    | Typing
    | NewDevice
    | DevicesChanged
    | SessionRenewed
    | AccountMoved
    | GroupInvited
    | GroupChanged
    | InGroup
    | ConfigurationChanged
    | FileProgress
)
