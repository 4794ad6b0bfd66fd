"""The tables, the same on SQLite and PostgreSQL; how they come about is in migrations/.

Who somebody is: a member key of this host, nothing else. Times are unix milliseconds; 0 means never or for good.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by themselves only where the type is INTEGER."""
METADATA: Final = MetaData()


def _key(name: str, to: str) -> Column[int]:
    return Column(name, Number, ForeignKey(to, ondelete="CASCADE"), nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


MEMBER: Final = Table(
    "member",
    METADATA,
    Column("no", Number, primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    _count("known_ms"),
    Column("role", SmallInteger, nullable=False, server_default="1"),  # on the whole host
    Column("hidden", Boolean, nullable=False, server_default="0"),
    _count("banned_until_ms"),
    _count("direct_day_ms"),
    _count("directs"),
    sqlite_autoincrement=True,  # a number that is free again means somebody else to whatever is in memory
)
ROOM: Final = Table(
    "room",
    METADATA,
    Column("no", Number, primary_key=True),
    Column("room_id", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("listed", Boolean, nullable=False),
    Column("settings", LargeBinary, nullable=False),  # a serialised RoomSettings
    _count("sequence"),
    Column("chain", LargeBinary, nullable=False),
    _count("version"),
    _count("created_ms"),
    _count("members"),
    sqlite_autoincrement=True,
)
MEMBERSHIP: Final = Table(
    "membership",
    METADATA,
    _key("room_no", "room.no"),
    _key("member_no", "member.no"),
    _count("joined_ms"),
    Column("role", SmallInteger, nullable=False, server_default="1"),
    Column("hidden", Boolean, nullable=False, server_default="0"),
    _count("banned_until_ms"),
    Column("allow", SmallInteger, nullable=False, server_default="0"),
    Column("deny", SmallInteger, nullable=False, server_default="0"),
    _count("from_ms"),
    _count("until_ms"),
    _count("last_post_ms"),
    _count("day_ms"),  # when the 24 hours began that the next four count
    _count("day_posts"),
    _count("day_bytes"),
    _count("day_edits"),
    _count("day_reactions"),
    _count("replied_ms"),  # when the host last answered what a filter found
    Column("coming", LargeBinary),  # a serialised Member with the overrides to come; none where there is none
    UniqueConstraint("room_no", "member_no", name="membership_pair"),
    Index("membership_of", "member_no"),
)
ENTRY: Final = Table(
    "entry",
    METADATA,
    Column("room_no", Number, ForeignKey("room.no", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("target", BigInteger, nullable=False),  # the post that it makes or changes; 0: a purge
    Column("author_no", Number, ForeignKey("member.no"), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("statement", LargeBinary),  # none where it was removed
    Column("signature", LargeBinary),
    Column("digest", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("whisper", Boolean, nullable=False, server_default="0"),
    Column("whisper_to", Number),
    Column("filtered", Boolean, nullable=False, server_default="0"),  # a whisper for moderators, by a silent filter
    Index("entry_target", "room_no", "target"),
    UniqueConstraint("room_no", "digest", name="entry_digest"),
)
POST: Final = Table(
    "post",
    METADATA,
    Column("no", Number, primary_key=True),
    _key("room_no", "room.no"),
    Column("sequence", BigInteger, nullable=False),
    Column("post_id", LargeBinary, nullable=False),
    Column("author_no", Number, ForeignKey("member.no"), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("text", Text),  # the newest; none where it was deleted
    _count("thread"),
    _count("edited"),
    _count("deleted"),
    _count("pinned"),
    _count("changed"),
    Column("whisper", Boolean, nullable=False, server_default="0"),
    Column("whisper_to", Number),
    Column("filtered", Boolean, nullable=False, server_default="0"),
    UniqueConstraint("room_no", "sequence", name="post_sequence"),
    UniqueConstraint("room_no", "post_id", name="post_name"),
    Index("post_thread", "room_no", "thread", "sequence"),
    Index("post_pinned", "room_no", "pinned"),
    Index("post_author", "room_no", "author_no", "sequence"),
)
REACTION: Final = Table(
    "reaction",
    METADATA,
    _key("room_no", "room.no"),
    Column("post", BigInteger, nullable=False),  # its sequence
    Column("emoji", Text, nullable=False),
    _key("member_no", "member.no"),
    UniqueConstraint("room_no", "post", "emoji", "member_no", name="reaction_once"),
)
MENTION: Final = Table(
    "mention",
    METADATA,
    _key("room_no", "room.no"),
    _key("member_no", "member.no"),
    Column("post", BigInteger, nullable=False),
    UniqueConstraint("room_no", "member_no", "post", name="mention_once"),
)
FILE: Final = Table(
    "file",
    METADATA,
    Column("no", Number, primary_key=True),
    _key("room_no", "room.no"),
    Column("hash", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    _key("member_no", "member.no"),  # who began it
    _count("expires_ms"),
    Column("complete", Boolean, nullable=False, server_default="0"),
    UniqueConstraint("room_no", "hash", name="file_name"),
    Index("file_expiry", "expires_ms"),
)
CHUNK: Final = Table(
    "chunk",
    METADATA,
    _key("file_no", "file.no"),
    Column("offset", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("file_no", "offset", name="chunk_place"),
)
ATTACHMENT: Final = Table(
    "attachment",
    METADATA,
    _key("file_no", "file.no"),
    _key("room_no", "room.no"),
    Column("post", BigInteger, nullable=False),
    UniqueConstraint("room_no", "post", "file_no", name="attachment_once"),
)
INVITATION: Final = Table(
    "invitation",
    METADATA,
    Column("hash", LargeBinary, primary_key=True),
    Column("room_no", Number, ForeignKey("room.no", ondelete="CASCADE")),  # none: to the host
    Column("uses_left", Integer, nullable=False),
    _count("until_ms"),
    Column("role", SmallInteger, nullable=False),
    Column("member_no", Number, ForeignKey("member.no", ondelete="CASCADE")),  # none: made by the host
)
REPORT: Final = Table(
    "report",
    METADATA,
    Column("no", Number, primary_key=True),
    _key("room_no", "room.no"),
    Column("post", BigInteger, nullable=False),
    _key("member_no", "member.no"),
    Column("reason", Text, nullable=False),
    _count("time_ms"),
    Column("open", Boolean, nullable=False, server_default="1"),
    UniqueConstraint("room_no", "post", "member_no", name="report_once"),
)
AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("no", Number, primary_key=True),
    Column("room_no", Number, ForeignKey("room.no", ondelete="CASCADE")),
    _key("member_no", "member.no"),
    _count("time_ms"),
    Column("action", Text, nullable=False),
    Column("object", LargeBinary, nullable=False),
    _count("until_ms"),
    Index("audit_room", "room_no", "no"),
)
DIRECT: Final = Table(
    "direct",
    METADATA,
    Column("no", Number, primary_key=True),
    _key("recipient_no", "member.no"),
    _key("sender_no", "member.no"),
    _count("time_ms"),
    _count("expires_ms"),
    Column("data", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Index("direct_recipient", "recipient_no", "no"),
    sqlite_autoincrement=True,
)
SENT: Final = Table(  # the outbox; a message leaves it apart from the inbox that it is in
    "sent",
    METADATA,
    Column("no", Number, primary_key=True),
    _key("sender_no", "member.no"),
    _key("recipient_no", "member.no"),
    _count("time_ms"),
    _count("expires_ms"),
    Column("copy", LargeBinary, nullable=False),  # sealed for the sender; empty where a client gave none
    Index("sent_sender", "sender_no", "no"),
    sqlite_autoincrement=True,
)
DIRECT_TAKEN: Final = Table(  # by who it was for; who sent it may not know yet that it came, and repeats it
    "direct_taken",
    METADATA,
    Column("hash", LargeBinary, primary_key=True),
    _count("until_ms"),
)
BLOCK: Final = Table(
    "block",
    METADATA,
    _key("member_no", "member.no"),
    _key("blocked_no", "member.no"),
    UniqueConstraint("member_no", "blocked_no", name="block_once"),
)
REPLICA: Final = Table(
    "replica",
    METADATA,
    Column("node_id", LargeBinary, primary_key=True),
    _count("seen_ms"),
)
HOST: Final = Table(
    "host",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
