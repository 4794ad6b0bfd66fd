"""The times and sizes of a storage node's machines. Defaults for production; tests shorten them."""

from dataclasses import dataclass

from essaim.protocol.mailbox.rule import DAY_MS


@dataclass(frozen=True, slots=True)
class Tuning:
    """Milliseconds, bytes and counts."""

    quorum_ms: int = 10_000
    """How long a client waits for W members before QUORUM_MISSING."""
    batch_records: int = 256
    """Most changes in one commit."""
    commit_ms: int = 10
    """Between the beginnings of two commits at least, so that a busy node's are few. 0: as soon as the disk is idle."""
    message_bytes: int = 252_000
    """Of records in one message to a member; a single larger record goes alone."""
    message_records: int = 64
    late_records: int = 16
    """Most records read from the log for one late Write."""
    window: int = 4
    """Writes to one member that may wait for their Ack."""
    queue_records: int = 1_024
    """New records that may wait for one member's window; beyond, it gets them from the log."""
    ack_ms: int = 15_000
    """A Write without Ack for so long: the member is behind."""
    retry_ms: int = 500
    """First pause before what a member misses is sent again; doubles up to `retry_most_ms`."""
    retry_most_ms: int = 60_000
    positions_every: int = 256
    """Records acknowledged by a member before its position is written without another reason to."""
    round_ms: int = 20_000
    """A reconciliation without an answer for so long is given up."""
    again_ms: int = 3_000
    """Between two reconciliations while this node is incomplete."""
    unwanted_turns: int = 10
    """Background reconciliations after which fetched records that were refused are tried again."""
    background_ms: int = 60_000
    """Between two reconciliations with a member (one after the other)."""
    digest_ids: int = 32
    """A part with so many records or fewer is answered with their names."""
    listed_ids: int = 4_096
    """Ids of the own records that are looked through for such names; beyond, a record may be fetched in vain."""
    digests: int = 16
    """Questions to one member that may wait for their answer."""
    fetch_ids: int = 64
    """Ids in one Fetch."""
    page_entries: int = 64
    """Most envelopes, with data or named only, in one answer."""
    purge_margin_ms: int = 900_000
    """How long expired records stay on disk (never returned), so that a clock that jumps cannot purge what lives."""
    purge_every_ms: int = 60_000
    missed_mailboxes: int = 64
    """Mailboxes of which a reader missed something, that wait for being compared."""
    transfer_ms: int = 5_000
    """Between two times of telling discovery that a move is done here."""
    foreign_ms: int = 6 * 3_600_000
    """How long mailboxes that moved away stay on disk, for stragglers."""
    foreign_mailboxes: int = 16
    """Mailboxes that are dropped in one commit, then."""
    foreign_pause_ms: int = 1_000
    """Between two such commits."""
    blob_bytes: int = 0
    """What all blobs together may take; beyond it they alone are refused. 0: no limit but the disk's."""
    test_records: int = 192
    """Envelopes that a storage test asks for: a member that dropped a twentieth is noticed with 1 - 0.95^192."""
    test_notices: int = 64
    """Tombstones and expiry records among which it meets: as many at most, beside the envelopes."""
    test_age_ms: int = 600_000
    """Older than this are those: so long a write that was missed may take to arrive."""
    test_life_ms: int = 3_600_000
    """So long they have still to live, whatever the clocks say."""
    test_answer_ms: int = 30_000
    """A challenge without an answer for so long makes the tester look whether the member answers anything."""
    test_silent_ms: int = 210_000
    """Then for so long no answer to anything, and it is silent: who is merely slow does not keep a swarm waiting."""
    test_again_ms: int = 60_000
    """Before a member is asked again for what it did not show."""
    test_excuse_ms: int = 6 * 3_600_000
    """How long it is believed to a member that it is incomplete; longer, and it is tested as it is."""
    wake_tick_ms: int = 20
    """How exactly the times of wakes are kept; a timer ticks while any is owed."""
    wake_prompt_ms: int = 80
    """Most jitter before a wake for a device that wants it at once."""
    wake_jitter_ms: int = 2_000
    """The same for any other."""
    wake_turn_ms: int = 2_000
    """How long a member leaves a wake to each live member before it in line."""
    wake_start_ms: int = 3_000
    """After a start, for links to come up, before what is owed from before is looked at."""
    wake_answer_ms: int = 10_000
    """A push host that has not answered for so long is asked again, or another of its nodes."""
    wake_retry_most_ms: int = 60_000
    """Between two such times at most."""
    wake_life_ms: int = DAY_MS
    """A wake that no push host took for so long is given up."""
    wake_recent_ms: int = 3_600_000
    """What arrives here (late, from another member) older than this has been told by that one."""
    prekey_life_ms: int = 30 * DAY_MS
    """A batch of one-time prekeys goes after so long; its owner keeps the private parts 22 days."""
