"""What a host counts. Labels from closed sets; nothing that tells one member or room from another."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)
ACTIONS: Final = Counter("essaim_opengroup_actions", "Actions that members asked for.", ["action", "outcome"])
ENTRIES: Final = Counter("essaim_opengroup_entries", "Statements that entered a room's log, by kind.", ["kind"])
FILTERED: Final = Counter(
    "essaim_opengroup_filtered",
    "Texts that a filter found: refused, kept from others, answered by the host.",
    ["outcome"],
)
FOLLOWERS: Final = Gauge("essaim_opengroup_followers", "Live streams that stand.")
BATCH: Final = Histogram(
    "essaim_opengroup_commit_actions", "Actions in one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
COMMIT_SECONDS: Final = Histogram(
    "essaim_opengroup_commit_seconds", "Seconds of one transaction, its commit included.", buckets=SECONDS
)
READ_SECONDS: Final = Histogram("essaim_opengroup_read_seconds", "Seconds of one read.", buckets=SECONDS)
DATABASE_FAULTS: Final = Counter("essaim_opengroup_database_faults", "Transactions that the database failed.")
ROOMS: Final = Gauge("essaim_opengroup_rooms", "Rooms of the host.")
MEMBERS: Final = Gauge("essaim_opengroup_members", "Member keys that the host knows.")
POSTS: Final = Gauge("essaim_opengroup_posts", "Posts that are kept, of all rooms.")
FILE_BYTES: Final = Gauge("essaim_opengroup_file_bytes", "Bytes of files.")
OPEN_REPORTS: Final = Gauge("essaim_opengroup_reports_open", "Reports that no moderator has closed.")
PAGES: Final = Counter("essaim_opengroup_page_requests", "Requests for the web page, by status.", ["status"])
