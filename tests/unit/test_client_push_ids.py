"""What a device registers with mailboxes joins none of them, whatever its push host says."""

import pytest

from essaim.protocol.push.refusal import HostRefusedError
from essaim_client.push.push import check_push_ids
from essaim_client.push.subscribed import Subscribed, place_key

TODAY = bytes((1,)) * 32


def subscribed() -> Subscribed:
    registered = {place_key(b"m" * 32, 20_000): TODAY.hex()}
    return Subscribed("", [], "", "", "", 1, prompt=False, registered=registered)


@pytest.mark.parametrize("fresh", [[b"a" * 32, b"a" * 32], [b"a" * 32, TODAY], [b"", b""]])
def test_push_id_for_two_places_is_refused(fresh: list[bytes]) -> None:
    with pytest.raises(HostRefusedError):
        check_push_ids(fresh, subscribed())


def test_push_ids_that_all_differ_are_taken() -> None:
    check_push_ids([b"a" * 32, b"b" * 32], subscribed())
    check_push_ids([], subscribed())
