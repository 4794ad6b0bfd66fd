"""What each transaction does to the state, or why not."""

from collections.abc import Iterable
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from essaim.protocol.keys import AgreementKey, AgreementPublic, KemPublic, KeyRefusedError
from essaim.protocol.onion.keyring import KeyKind, KeyPeriods
from essaim.protocol.view import Descriptor, KeyRecord, MalformedError, NodeState, WrongNetworkError
from essaim.view.v1 import view_pb2
from essaim_discovery.refusal import CertificateError, ClockError, KeysError, NotRegisteredError, OtherStartError
from essaim_discovery.state import Member, SignedRecord, State
from essaim_discovery.transaction import Checked

CLOCK_MS = 10 * 60_000
MAX_RECORDS = 16
PERIODS_AHEAD = {KeyKind.X25519: 48, KeyKind.MLKEM: 4}
_PROBE = AgreementKey(b"\x01" * 32)
"""Any key at all: an exchange with it fails for a point of small order, and for nothing else."""


def register(state: State, checked: Checked) -> State:
    """A node's start takes the place of the one before."""
    body = checked.message.register
    descriptor = Descriptor.parse(body.descriptor)
    if descriptor.network_id != state.network_id:
        raise WrongNetworkError("a descriptor for another network")
    if descriptor.node_id != checked.node_id:
        raise MalformedError("a descriptor of another node")
    if abs(descriptor.issued_ms - state.now_ms) > CLOCK_MS:
        raise ClockError("the node's clock is more than ten minutes off")
    if not descriptor.suites:
        raise MalformedError("a node without an onion suite")
    _check_certificates(descriptor)
    known = state.members.get(checked.node_id)
    member = Member(
        descriptor,
        body.descriptor.SerializeToString(deterministic=True),
        (),
        NodeState.ACTIVE,
        known.registered_ms if known is not None else state.now_ms,
        state.now_ms,
        known.swarm_id if known is not None and known.descriptor.role == descriptor.role else None,
    )
    member = _with_keys(state, member, body.keys)
    periods = state.parameters.key_periods
    held = {(key.kind, key.period) for each in member.records for key in each.record.period_keys()}
    if any((kind, periods.current(kind, state.now_ms)) not in held for kind in KeyKind):
        raise KeysError("no onion key of each kind for now")
    return state.with_member(member)


def publish_keys(state: State, checked: Checked) -> State:
    """Further keys of the registered start."""
    member = _member(state, checked)
    if not checked.message.publish_keys.keys:
        raise KeysError("no key record")
    return state.with_member(_with_keys(state, member, checked.message.publish_keys.keys))


def prove_uptime(state: State, checked: Checked) -> State:
    """The node is there; one that was AWAY returns."""
    member = _member(state, checked)
    if checked.message.prove_uptime.start_id != member.descriptor.start_id:
        raise OtherStartError("another start is registered")
    returned = member.state == NodeState.AWAY
    standing = NodeState.ACTIVE if returned else member.state
    return state.with_member(replace(member, proved_ms=state.now_ms, state=standing), changed=returned)


def leave(state: State, checked: Checked) -> State:
    """No new work; or gone for good."""
    member = _member(state, checked)
    if checked.message.leave.gone:
        return state.without(checked.node_id)
    return state.with_member(replace(member, state=NodeState.LEAVING), changed=member.state != NodeState.LEAVING)


RULES = {"register": register, "publish_keys": publish_keys, "prove_uptime": prove_uptime, "leave": leave}


def _member(state: State, checked: Checked) -> Member:
    member = state.members.get(checked.node_id)
    if member is None:
        raise NotRegisteredError("this node is not registered")
    return member


def _with_keys(state: State, member: Member, messages: Iterable[view_pb2.SignedKeyRecord]) -> Member:
    """The member with further records; those whose periods are over leave."""
    periods = state.parameters.key_periods
    fresh = [SignedRecord(KeyRecord.parse(each), each.SerializeToString(deterministic=True)) for each in messages]
    for each in fresh:
        _check_record(each.record, member.descriptor, periods, state.now_ms)
    records = [each for each in member.records if each.end_ms(periods) > state.now_ms] + fresh
    if len(records) > MAX_RECORDS:
        raise KeysError("too many key records")
    named = [(key.kind, key.period) for each in records for key in each.record.period_keys()]
    if len(set(named)) < len(named):
        raise KeysError("a second key for a period")
    return replace(member, records=tuple(records))


def _check_record(record: KeyRecord, of: Descriptor, periods: KeyPeriods, now_ms: int) -> None:
    if (record.node_id, record.start_id) != (of.node_id, of.start_id):
        raise OtherStartError("onion keys of another start")
    current = periods.current(record.kind, now_ms)
    if record.last_period < current or record.last_period > current + PERIODS_AHEAD[record.kind]:
        raise KeysError("onion keys of the past, or too far ahead")
    try:
        for key in record.keys:
            if record.kind == KeyKind.X25519:
                _PROBE.exchange(AgreementPublic(key))
            else:
                KemPublic(key).encapsulate()
    except KeyRefusedError as error:
        raise KeysError("an onion key that nobody could use") from error


def _check_certificates(descriptor: Descriptor) -> None:
    try:
        keys = [x509.load_der_x509_certificate(der).public_key() for der in descriptor.certificates]
    except ValueError as error:
        raise CertificateError("not a DER certificate") from error
    if not all(isinstance(key, EllipticCurvePublicKey) for key in keys):
        raise CertificateError("a certificate's key is not of an elliptic curve")
