"""A refusal becomes a status with one ErrorInfo, and comes back as it was."""

import re
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from essaim.protocol.errors import ProtocolError
from essaim.protocol.status import DETAILS_TRAILER, Refusal, read_status, read_trailers
from essaim.runtime.errors import CODES, INTERNAL, code_of, to_status


class WrongSwarmError(ProtocolError):
    reason = "WRONG_SWARM"


class BusyError(ProtocolError):
    reason = "BUSY"
    retry_after_ms = 250


class OddError(ProtocolError):
    reason = "ODD_ENVELOPE"


def test_status_has_one_error_info_with_reason_and_domain() -> None:
    status = to_status(WrongSwarmError("the mailbox lives elsewhere"), "storage.essaim")
    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert status.message == "the mailbox lives elsewhere"
    info = ErrorInfo()
    assert [detail.Unpack(info) for detail in status.details] == [True]
    assert (info.reason, info.domain, dict(info.metadata)) == ("WRONG_SWARM", "storage.essaim", {})


def test_status_is_read_back() -> None:
    error = BusyError("come back")
    error.metadata = {"viewSerial": "7"}
    code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    expected = Refusal(code, "BUSY", "relay.essaim", {"viewSerial": "7"}, 250)
    status = to_status(error, "relay.essaim")
    assert read_status(status) == expected
    assert read_trailers(code, [("x", "y"), (DETAILS_TRAILER, status.SerializeToString())]) == expected


def test_reason_without_a_code_of_its_own_is_invalid_argument() -> None:
    assert to_status(OddError(), "storage.essaim").code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_unknown_exception_is_internal_without_its_words() -> None:
    status = to_status(OSError(13, "/secret/path", "198.51.100.7"), "storage.essaim")
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"secret" not in status.SerializeToString()
    assert b"198" not in status.SerializeToString()
    refusal = read_status(status)
    assert refusal and refusal.reason == INTERNAL


def test_metadata_says_numbers_under_known_names_alone() -> None:
    error = OddError("odd")
    error.metadata = {"mailbox": "1", "viewSerial": "esm1", "limitBytes": "4096"}
    refusal = read_status(to_status(error, "storage.essaim"))
    assert refusal and refusal.metadata == {"limitBytes": "4096"}


def test_reasons_of_mailboxes_have_the_codes_that_the_protocol_promises() -> None:
    page = (Path(__file__).parents[2] / "docs" / "protocol" / "mailbox.md").read_text()
    rows = re.findall(r"^\| ([A-Z_, ]+) \| ([A-Z_]+) \|", page, re.MULTILINE)
    promised = {reason: code for reasons, code in rows for reason in reasons.split(", ")}
    assert len(promised) >= 20
    assert {reason: code_of(reason).name for reason in promised} == promised


def test_errors_do_not_share_metadata() -> None:
    one = BusyError()
    one.retry_after_ms = 1
    assert BusyError().retry_after_ms == 250
    assert OddError().retry_after_ms is None


def test_ok_refuses_nothing() -> None:
    assert read_status(Status()) is None


@pytest.mark.parametrize("count", [0, 2])
def test_status_with_none_or_several_reasons_has_none(count: int) -> None:
    packed = Any()
    packed.Pack(ErrorInfo(reason="BUSY", domain="a"))
    assert read_status(Status(code=8, details=[packed] * count)) == Refusal(8)


@pytest.mark.parametrize(
    "trailer",
    [b"\xff\xff", b"", Status(code=3).SerializeToString(), Status().SerializeToString(), "text"],
)
def test_foreign_trailer_leaves_the_code_alone(trailer: bytes | str) -> None:
    assert read_trailers(14, [(DETAILS_TRAILER, trailer)]) == Refusal(14)


def test_detail_that_is_damaged_is_passed_over() -> None:
    packed = Any()
    packed.Pack(ErrorInfo(reason="BUSY", domain="a"))
    broken = Any(type_url=packed.type_url, value=b"\xff")
    refusal = read_status(Status(code=8, details=[broken, packed]))
    assert refusal and refusal.reason == "BUSY"


def test_reasons_are_upper_snake() -> None:
    assert all(reason.replace("_", "").isupper() for reason in CODES)
    assert code_of("NEVER_SEEN") is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("reason", ["\x1b[2Jgone", "quota", "QUOTA\n", "Q" * 64, "ÜBER", ""])
def test_reason_that_is_foreign_text_is_not_passed_on(reason) -> None:
    packed = Any()
    packed.Pack(ErrorInfo(reason=reason, domain="storage.essaim"))
    assert read_status(Status(code=8, details=[packed])) == Refusal(8)
