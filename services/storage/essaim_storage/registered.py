"""What the registration of a place says, and the wake that it makes for a push host."""

from collections.abc import Callable, Iterable

from essaim.protocol.errors import ProtocolError
from essaim.protocol.kdf import blake2b256
from essaim.protocol.mailbox.registration import DAYS_AFTER, DAYS_BEFORE
from essaim.protocol.mailbox.rule import DAY_MS
from essaim.protocol.push.preview import Preview
from essaim.protocol.push.refusal import PushRefusedError
from essaim.protocol.push.registration import Registration
from essaim.protocol.push.wake import Wake, wake_id
from essaim_storage.duty import Place
from essaim_storage.store import Store

DAYS = sorted(range(-DAYS_AFTER, DAYS_BEFORE + 1), key=abs)
"""Whose registration wakes: of the day itself, else of the nearest that still may."""
HEAD_SIZE = 64
"""Bytes of an envelope in a preview."""
SEVERAL = b"essaim/push/several/v1"


def registration_of(store: Store, place: Place, now_ms: int) -> Registration | None:
    """The one that wakes now; None: nobody is woken there."""
    today = now_ms // DAY_MS
    for day in DAYS:
        record = store.registration(*place, today + day)
        if record is not None and record.wakes(now_ms):
            return _parsed(record.registration)
    return None


def wake_for(
    store: Store, place: Place, owed: Iterable[bytes], registration: Registration, random: Callable[[int], bytes]
) -> Wake:
    """For these envelopes, the newest last; every member makes the same wake id of them."""
    envelope_ids, push_id = tuple(owed), registration.push_id
    newest = envelope_ids[-1]
    name = newest if len(envelope_ids) == 1 else blake2b256(SEVERAL, *sorted(envelope_ids))
    return Wake(push_id, wake_id(push_id, name), _preview(store, place[0], newest, registration, random))


def _preview(
    store: Store, mailbox_id: bytes, envelope_id: bytes, registration: Registration, random: Callable[[int], bytes]
) -> bytes:
    data = store.data(envelope_id) if registration.preview_key else None
    if data is None:
        return b""
    preview = Preview(mailbox_id, envelope_id, len(data), data[:HEAD_SIZE])
    try:
        return preview.seal(registration.preview_key, registration.push_id, random)
    except ProtocolError:
        return b""  # a key that is none: the device has only itself to blame


def _parsed(encoded: bytes) -> Registration | None:
    try:
        return Registration.parse(encoded)
    except PushRefusedError:
        return None
