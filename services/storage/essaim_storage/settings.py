"""What a storage node can be told."""

from typing import Annotated

from pydantic import Field

from essaim.runtime.retirement import RetirementLimits
from essaim.runtime.settings import NodeSettings


class StorageSettings(NodeSettings, service="storage"):
    """Settings of the storage node."""

    max_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Bytes that the database may take; beyond it stores are refused DISK_FULL and nothing is lost."
            " A sixteenth more is kept for tombstones. 0: as much as the volume has.",
        ),
    ] = 0
    restored: Annotated[
        bool,
        Field(
            description="The volume was put back from a snapshot: cursors of before are not believed."
            " A copied database file is noticed without it."
        ),
    ] = False
    puzzle_bits: Annotated[
        int,
        Field(
            ge=0, le=40, description="Bits of the puzzle of a Store to a public inbox that is not half full. 0: none."
        ),
    ] = 0
    claim_bits: Annotated[int, Field(ge=0, le=40, description="Bits of the puzzle of a prekey claim. 0: none.")] = 0
    blob_bits: Annotated[
        int,
        Field(
            ge=0,
            le=20,
            description="Bits of the puzzle of a blob of 4096 bytes kept for a day; twice the bytes or days cost one"
            " more. 0: none.",
        ),
    ] = 4
    blob_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Bytes that all blobs together may take; beyond it blobs alone are refused DISK_FULL."
            " 0: half of max_bytes.",
        ),
    ] = 0
    open_per_second: Annotated[
        float,
        Field(
            gt=0,
            le=1_000_000,
            description="Stores and claims of strangers a second that cost no puzzle for the node's load; each doubling"
            " beyond costs two bits more, from 10 on. So do more than 512 requests that wait. 1000: what two cores"
            " can just do, so that a queue tells first.",
        ),
    ] = 1_000.0
    empty_log_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=3600,
            description="Seconds between truncations of the write-ahead log, which may hold removed bytes.",
        ),
    ] = 60.0
    foreign_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=1_209_600,
            description="Seconds for which mailboxes that moved to other nodes stay on this disk, for stragglers.",
        ),
    ] = 21_600.0
    scrub_seconds: Annotated[
        float,
        Field(
            gt=0, le=3600, description="Seconds between verifying 64 stored records and the next 64. 10: 500,000 a day."
        ),
    ] = 10.0
    test_age_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=86_400,
            description="Seconds that an envelope must be old to be asked for in a storage test of another member."
            " 600: longer than a write that was missed takes to arrive.",
        ),
    ] = 600.0
    test_again_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=600,
            description="Seconds after which a tested member is asked again for what it did not show. 60: what was"
            " merely on its way has arrived; short of half a round of tests.",
        ),
    ] = 60.0
    leave_for_good: Annotated[
        bool,
        Field(
            description="SIGTERM retires the node: it serves until its data has moved. Off: it is back soon and keeps"
            " its place; then an authority's Retire does the same."
        ),
    ] = False
    retire_notice_seconds: Annotated[
        float,
        Field(ge=0, le=60, description="Seconds after SIGTERM within which the view may still say that it leaves."),
    ] = 3.0
    retire_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=604_800,
            description="Most seconds that a node which leaves serves on after SIGTERM. A process manager must wait"
            " as long before it kills.",
        ),
    ] = 3_600.0

    @property
    def retirement(self) -> RetirementLimits:
        """How long the node waits when it is told to stop."""
        return RetirementLimits(self.retire_notice_seconds, self.retire_seconds)

    @property
    def blob_budget(self) -> int:
        """Bytes of all blobs; 0: no limit but the disk's."""
        return self.blob_bytes or self.max_bytes // 2
