"""A client's requests that become notices: removals, expiries, slot marks, registrations. Checked like any record, and
their time beside."""

from essaim.protocol.mailbox import rule
from essaim.protocol.mailbox.authorization import Method
from essaim.protocol.mailbox.record import ExpiryRecord, Notice, RegistrationRecord, SlotMark, Tombstone, verify_record
from essaim.protocol.mailbox.refusal import ExpiryRefusedError
from essaim.protocol.push.registration import Registration
from essaim.storage.v1 import mailbox_pb2
from essaim_storage.intake import Intake, authorization_of


class NoticeIntake:
    """Every method raises MailboxRefusedError for what a mailbox's rules refuse."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def confirm(self, request: mailbox_pb2.ConfirmRequest, now_ms: int) -> Notice:
        return self._named(Method.CONFIRM, request, request.slot, now_ms)

    def delete(self, request: mailbox_pb2.DeleteRequest, now_ms: int) -> Notice:
        return self._named(Method.DELETE, request, b"", now_ms)

    def delete_before(self, request: mailbox_pb2.DeleteBeforeRequest, now_ms: int) -> Notice:
        policy, authorization = self._intake.policy(request.mailbox), authorization_of(request.authorization)
        sweep = Tombstone(policy, Method.DELETE_BEFORE, b"", (), authorization, request.before_ms)
        return self._checked(sweep, now_ms)

    def delete_all(self, request: mailbox_pb2.DeleteAllRequest, now_ms: int) -> Notice:
        policy, authorization = self._intake.policy(request.mailbox), authorization_of(request.authorization)
        return self._checked(Tombstone(policy, Method.DELETE_ALL, b"", (), authorization), now_ms)

    def expire(self, request: mailbox_pb2.ExpireRequest, now_ms: int) -> Notice:
        policy, authorization = self._intake.policy(request.mailbox), authorization_of(request.authorization)
        if request.expires_ms < now_ms + rule.SHORTEST_TTL_MS - rule.TRANSIT_MS:
            raise ExpiryRefusedError("expires too soon: delete it")
        ids = tuple(request.envelope_ids)
        return self._checked(ExpiryRecord(policy, request.slot, ids, request.expires_ms, authorization), now_ms)

    def drop_slot(self, request: mailbox_pb2.DropSlotRequest, now_ms: int) -> Notice:
        policy, authorization = self._intake.policy(request.mailbox), authorization_of(request.authorization)
        return self._checked(SlotMark(policy, request.slot_record, authorization), now_ms)

    def register_push(self, request: mailbox_pb2.RegisterPushRequest, now_ms: int) -> Notice:
        policy, authorization = self._intake.policy(request.mailbox), authorization_of(request.authorization)
        if request.registration:
            Registration.parse(request.registration)
        whom = request.slot, request.day, request.registration
        return self._checked(RegistrationRecord(policy, *whom, authorization), now_ms)

    def _named(
        self, method: Method, request: mailbox_pb2.ConfirmRequest | mailbox_pb2.DeleteRequest, slot: bytes, now_ms: int
    ) -> Notice:
        policy, authorization = self._intake.policy(request.mailbox), authorization_of(request.authorization)
        return self._checked(Tombstone(policy, method, slot, tuple(request.envelope_ids), authorization), now_ms)

    def _checked(self, notice: Notice, now_ms: int) -> Notice:
        verify_record(notice, now_ms)
        self._intake.check_fresh(notice.act, notice.authorization, now_ms)
        return notice
