"""When an envelope ends: at no second of a minute so soon that mailboxes refuse it."""

import pytest

from essaim_client.messaging.conversations import LONGEST_MS, SHORTEST_MS
from essaim_client.messaging.fan_out import MESSAGE_LIFE_MS, MINUTE_MS, SHORTEST_LIFE_MS, expiry
from essaim_client.messaging.outgoing_mail import EXPIRES_SOON_MS

NOW_MS = 1_795_439_280_000
LIVES_MS = (SHORTEST_MS, 30_000, MINUTE_MS, 90_000, 3_600_000, MESSAGE_LIFE_MS, LONGEST_MS)


@pytest.mark.parametrize("life_ms", LIVES_MS)
def test_expiry_leaves_time_to_be_stored_at_every_moment_of_a_minute(life_ms):
    for now_ms in range(NOW_MS, NOW_MS + MINUTE_MS, 250):
        expires_ms = expiry(now_ms, life_ms)
        assert expires_ms % MINUTE_MS == 0, "an expiry tells the second of sending"
        left_ms = expires_ms - now_ms
        assert left_ms >= SHORTEST_LIFE_MS > EXPIRES_SOON_MS, f"sent {now_ms - NOW_MS} ms after the minute"
        assert left_ms <= max(min(life_ms, MESSAGE_LIFE_MS), SHORTEST_LIFE_MS + MINUTE_MS)
