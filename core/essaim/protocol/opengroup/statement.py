"""Statements: what members sign, once, for everybody who will ever read it.

    signature = Ed25519(member key, "essaim/opengroup/statement/v1" || statement)

The digest names a statement (and a post: its *post id*); chain.py says how it enters the room's history.
"""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.message import DecodeError

from essaim.opengroup.v1 import statement_pb2
from essaim.protocol.kdf import HASH_SIZE, blake2b256
from essaim.protocol.keys import PUBLIC_SIZE, KeyRefusedError, VerifyKey
from essaim.protocol.opengroup.authorization import Signer
from essaim.protocol.opengroup.chain import CHAIN_SIZE, ROOM_ID_SIZE
from essaim.protocol.opengroup.folding import folded
from essaim.protocol.opengroup.refusal import NotAuthorizedError, StatementRefusedError

LABEL = b"essaim/opengroup/statement/v1"
MAX_STATEMENT = 12_288
"""One post fits the smallest reply, whatever else it holds."""
MAX_TEXT = 10_240
MAX_MENTIONS = 20
MAX_FILES = 10
MAX_SEQUENCE = (1 << 63) - 1
"""What a database can hold."""
MAX_FILE_NAME = 60
MAX_EMOJI_POINTS = 12
MAX_EMOJI_BYTES = 48
_NO_NAME = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_NO_EMOJI = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}


@dataclass(frozen=True)
class Statement:
    """A statement with its author, checked in form; `check_signature` says whether the author made it."""

    raw: bytes
    author: bytes
    signature: bytes
    message: statement_pb2.Statement

    @classmethod
    def parse(cls, raw: bytes, author: bytes, signature: bytes) -> "Statement":
        """Raises StatementRefusedError for what is out of its bounds."""
        if not 0 < len(raw) <= MAX_STATEMENT:
            raise StatementRefusedError(f"a statement has 1 to {MAX_STATEMENT} bytes")
        try:
            message = statement_pb2.Statement.FromString(raw)
        except DecodeError:
            raise StatementRefusedError("not a statement") from None
        _check_form(message)
        return cls(raw, author, signature, message)

    @classmethod
    def make(cls, message: statement_pb2.Statement, signer: Signer) -> "Statement":
        """For the author."""
        raw = message.SerializeToString()
        statement = cls.parse(raw, signer.public.raw, b"")
        return cls(raw, statement.author, signer.sign(LABEL + raw), message)

    @cached_property
    def digest(self) -> bytes:
        """32 bytes; of a post: its id."""
        return digest_of(self.author, self.raw)

    @cached_property
    def compared(self) -> str:
        """The text of a post or edit as filters compare it; empty for any other act."""
        return folded(str(getattr(getattr(self.message, self.kind), "text", "")))

    @property
    def kind(self) -> str:
        """The name of the act's field."""
        return self.message.WhichOneof("act") or ""

    @property
    def target(self) -> bytes:
        """The post id that it acts on; empty for a post and a purge."""
        return bytes(getattr(getattr(self.message, self.kind), "post_id", b""))

    def check_signature(self) -> None:
        """Raises NotAuthorizedError."""
        try:
            author = VerifyKey(self.author)
        except KeyRefusedError:
            raise NotAuthorizedError("the author is no key") from None
        if not author.verifies(self.signature, LABEL + self.raw):
            raise NotAuthorizedError("the statement is not signed by its author")


def digest_of(author: bytes, raw: bytes) -> bytes:
    """BLAKE2b-256 over author and statement."""
    return blake2b256(LABEL, author, raw)


def _check_form(message: statement_pb2.Statement) -> None:
    sizes = len(message.host_id), len(message.room_id), len(message.seen_chain)
    if sizes != (PUBLIC_SIZE, ROOM_ID_SIZE, CHAIN_SIZE) or message.seen_sequence > MAX_SEQUENCE:
        raise StatementRefusedError("a statement names host, room and the chain that its author has seen")
    match message.WhichOneof("act"):
        case "post":
            _check_post(message.post)
        case "edit":
            _check_target(message.edit.post_id)
            _check_content(message.edit)
        case "delete" | "pin" as kind:
            _check_target(getattr(message, kind).post_id)
        case "react":
            _check_target(message.react.post_id)
            check_emoji(message.react.emoji)
            if message.react.everybodys and not message.react.withdraw:
                raise StatementRefusedError("nobody reacts for everybody")
        case "purge":
            _check_sizes([message.purge.member], PUBLIC_SIZE, 1, "member")
        case _:
            raise StatementRefusedError("a statement does one thing")


def _check_post(post: statement_pb2.Post) -> None:
    _check_content(post)
    _check_sizes([post.reply_to] if post.reply_to else [], HASH_SIZE, 1, "post id")
    _check_sizes([post.whisper_to] if post.whisper_to else [], PUBLIC_SIZE, 1, "member")
    if post.whisper_to and post.whisper_moderators:
        raise StatementRefusedError("a whisper is for one member or for the moderators")


def _check_content(content: statement_pb2.Post | statement_pb2.Edit) -> None:
    if not content.text.strip() and not content.files:
        raise StatementRefusedError("there is nothing in it")
    if "\0" in content.text:
        raise StatementRefusedError("a text holds no NUL")
    if len(content.text.encode()) > MAX_TEXT:
        raise StatementRefusedError(f"a text has at most {MAX_TEXT} bytes")
    _check_sizes(content.mentions, PUBLIC_SIZE, MAX_MENTIONS, "mention")
    _check_sizes(content.files, HASH_SIZE, MAX_FILES, "file")


def _check_target(post_id: bytes) -> None:
    _check_sizes([post_id], HASH_SIZE, 1, "post id")


def _check_sizes(items: Collection[bytes], size: int, most: int, what: str) -> None:
    if len(items) > most or any(len(item) != size for item in items):
        raise StatementRefusedError(f"at most {most} of {size} bytes each: {what}")


def is_file_name(name: str) -> bool:
    """1 to 60 characters that can be seen, none of which divides folders. For hosts: who reads takes any statement."""
    seen = not any(unicodedata.category(point) in _NO_NAME or point in "/\\" for point in name)
    return 0 < len(name) <= MAX_FILE_NAME and bool(name.strip(". ")) and seen


def check_emoji(emoji: str) -> None:
    """1 to 12 visible code points, or StatementRefusedError."""
    if not 0 < len(emoji) <= MAX_EMOJI_POINTS or len(emoji.encode()) > MAX_EMOJI_BYTES:
        raise StatementRefusedError("a reaction has 1 to 12 code points")
    if any(unicodedata.category(point) in _NO_EMOJI for point in emoji):
        raise StatementRefusedError("a reaction holds visible code points alone")
