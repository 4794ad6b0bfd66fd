"""Push: what others send is parsed or refused, and push ids say nothing to who has not the host's key."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from essaim.protocol.errors import ProtocolError
from essaim.protocol.push.host import SEALED_SIZE, HostKey
from essaim.protocol.push.preview import HEAD_SIZE, PREVIEW_SIZE, Preview, PreviewKey
from essaim.protocol.push.push_id import PushIdOf, PushIds
from essaim.protocol.push.refusal import EndpointRefusedError, PreviewRefusedError, RegistrationRefusedError
from essaim.protocol.push.registration import MAX_SIZE, Registration
from essaim.protocol.push.wake import MAX_WAKES, Reason, Wake, WakeAnswer, WakeBatch, parse

HOST = HostKey(b"h" * 32)
IDS = PushIds(HOST.ids)
id_of = st.builds(
    PushIdOf,
    st.integers(0, (1 << 63) - 1),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
)
bytes32 = st.binary(min_size=32, max_size=32)
registrations = st.builds(
    Registration,
    bytes32,
    st.lists(bytes32, min_size=1, max_size=4, unique=True).map(tuple),
    st.booleans(),
    st.sampled_from([b"", b"k" * 64]),
)
wakes = st.builds(Wake, bytes32, st.binary(min_size=16, max_size=16), st.binary(max_size=300))


def source(seed: int):
    rng = random.Random(seed)
    return rng.randbytes


@given(id_of, st.integers(0, 255), st.integers(1, 255))
def test_push_id_opens_with_its_own_key_and_unaltered_alone(of: PushIdOf, at: int, flip: int) -> None:
    push_id = IDS.issue(of)
    assert IDS.open(push_id) == of
    assert PushIds(HostKey(b"o" * 32).ids).open(push_id) is None
    altered = bytearray(push_id)
    altered[at % 32] ^= flip
    assert IDS.open(bytes(altered)) is None


def test_push_ids_of_days_and_lanes_have_nothing_in_common() -> None:
    """10,000 of one subscription: no four bytes at one place are shared more often than chance has it."""
    ids = [IDS.issue(PushIdOf(7, 0, lane, day)) for day in range(100) for lane in range(100)]
    for at in range(0, 32, 4):
        assert len({each[at : at + 4] for each in ids}) >= len(ids) - 20
    ones = sum(each.bit_count() for push_id in ids for each in push_id)
    assert abs(ones / (len(ids) * 256) - 0.5) < 0.005


@given(registrations)
def test_registration_comes_back_as_it_was(registration: Registration) -> None:
    assert len(registration.encoded) <= MAX_SIZE
    assert Registration.parse(registration.encoded) == registration


@given(st.binary(max_size=MAX_SIZE + 8))
def test_registration_of_bad_input_is_refused(data: bytes) -> None:
    with suppress(RegistrationRefusedError):
        assert Registration.parse(data).encoded == data, "there is one form"


@given(st.integers(0, 1 << 63), st.lists(wakes, min_size=1, max_size=20))
def test_wakes_and_answers_come_back_as_they_were(number: int, some: list[Wake]) -> None:
    batch = WakeBatch(number, tuple(some))
    assert parse(batch.encode()) == batch
    refused = tuple((index, reason) for index, reason in zip(range(len(some)), Reason, strict=False))
    answer = WakeAnswer(number, refused, 7)
    assert parse(answer.encode()) == answer


@given(st.binary(max_size=400))
def test_push_message_of_bad_input_is_refused(data: bytes) -> None:
    try:
        found = parse(data)
    except ProtocolError:
        return
    assert isinstance(found, WakeAnswer) or 0 < len(found.wakes) <= MAX_WAKES


@given(st.integers(0, 1 << 32), st.binary(min_size=32, max_size=32), st.integers(0, PREVIEW_SIZE - 1))
def test_preview_is_for_its_push_id_and_device_alone(seed: int, device: bytes, at: int) -> None:
    push_id, other = source(seed)(32), source(seed + 1)(32)
    key = PreviewKey.derive(device, push_id)
    preview = Preview(b"m" * 32, b"e" * 32, 4096, source(seed)(HEAD_SIZE))
    sealed = preview.seal(key.public, push_id, source(seed))
    assert len(sealed) == PREVIEW_SIZE and Preview.unseal(sealed, key, push_id) == preview
    altered = bytearray(sealed)
    altered[at] ^= 1
    for wrong, with_key, of in (
        (bytes(altered), key, push_id),
        (sealed, PreviewKey.derive(device, other), push_id),
        (sealed, key, other),
        (sealed[:-1], key, push_id),
    ):
        with pytest.raises(PreviewRefusedError):
            Preview.unseal(wrong, with_key, of)


@given(st.binary(max_size=2044))
def test_endpoint_is_sealed_in_one_size_for_one_host(endpoint: bytes) -> None:
    sealed = HOST.public.seal(endpoint, source(1))
    assert len(sealed) == SEALED_SIZE and HOST.unseal(sealed) == endpoint
    with pytest.raises(EndpointRefusedError):
        HostKey(b"o" * 32).unseal(sealed)


@given(st.binary(max_size=SEALED_SIZE + 1))
def test_endpoint_of_bad_input_is_refused(data: bytes) -> None:
    with pytest.raises(EndpointRefusedError):
        HOST.unseal(data)
