"""Known answers for every primitive that the onion uses, through our own types.

Sources: the files of the PyPI package `cryptography-vectors` (RFC 7748 section 5.2, RFC 8032, RFC 7539/8439 appendix A,
RFC 5869 appendix A, OpenSSL, the ML-KEM-768 known-answer file), and C2SP/wycheproof: a selection that lies here
(wycheproof/README.md), or all of it in the folder that WYCHEPROOF names.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from essaim.protocol.kdf import hkdf
from essaim.protocol.keys import (
    AgreementKey,
    AgreementPublic,
    KemKey,
    KeyRefusedError,
    SigningKey,
    VerifyKey,
)
from essaim.protocol.onion.schedule import LABEL, derive, mac_of, stream_xor

PACKAGE = Path(cryptography_vectors.__file__).parent
WYCHEPROOF = Path(os.environ.get("WYCHEPROOF") or Path(__file__).parent / "wycheproof")


def records(name: str, first: str) -> Iterator[dict[str, str]]:
    """The `key = value` records of a file; each begins with the key `first`. Keys in lower case."""
    record: dict[str, str] = {}
    for line in (PACKAGE / name).read_text().splitlines():
        key, found, value = (part.strip() for part in line.partition("="))
        if not found or line.startswith("#"):
            continue
        if key.lower() == first and record:
            yield record
            record = {}
        record[key.lower()] = value.strip('"')
    yield record


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_x25519_rfc_7748() -> None:
    """Its second U has the unused top bit set: it is masked, as the RFC says."""
    cases = [each for each in records("asymmetric/X25519/rfc7748.txt", "count") if "input_u" in each]
    assert len(cases) == 3
    for case in cases:
        shared = AgreementKey(raw(case["input_scalar"])).exchange(AgreementPublic(raw(case["input_u"])))
        assert shared == raw(case["output_u"])
        assert AgreementKey(raw(case["input_scalar"])).exchange_once(raw(case["input_u"])) == shared


def test_ed25519_rfc_8032() -> None:
    lines = (PACKAGE / "asymmetric/Ed25519/sign.input").read_text().splitlines()
    assert len(lines) == 1024
    for line in lines[::16]:
        secret, public, message, signed = (raw(part) for part in line.split(":")[:4])
        key = SigningKey(secret[:32])
        assert key.public.raw == public
        assert key.sign(message) == signed[:64]
        assert key.public.verifies(signed[:64], message)
        assert not key.public.verifies(signed[:64], message + b"\0")


def test_mlkem_768_known_answers() -> None:
    cases = list(records("asymmetric/MLKEM/kat_MLKEM_768.rsp", "count"))
    assert len(cases) >= 25
    for case in cases:
        key = KemKey(raw(case["d"]) + raw(case["z"]))
        assert key.public.raw == raw(case["pk"])
        assert key.decapsulate(raw(case["ct"])) == raw(case["ss"])
        assert key.decapsulate(raw(case["ct_n"])) == raw(case["ss_n"])


def test_mlkem_encapsulation_is_opened_by_the_private_key() -> None:
    key = KemKey(bytes(range(64)))
    secret, ciphertext = key.public.encapsulate()
    assert key.decapsulate(ciphertext) == secret


def test_chacha20_rfc_8439() -> None:
    """Vectors with a later first block are reached by encrypting zeros up to it."""
    cases = list(records("ciphers/ChaCha20/rfc7539.txt", "count"))
    assert len(cases) == 3
    for case in cases:
        skip = 64 * int(case["initial_block_counter"])
        sent = stream_xor(raw(case["key"]), raw(case["nonce"]), bytes(skip) + raw(case["plaintext"]))
        assert sent[skip:] == raw(case["ciphertext"])


def test_poly1305_rfc_8439() -> None:
    cases = list(records("poly1305/rfc7539.txt", "count"))
    assert len(cases) >= 11
    for case in cases:
        message = raw(case["msg"])
        assert mac_of(raw(case["key"]), (message,)) == raw(case["tag"])
        assert mac_of(raw(case["key"]), (message[:7], memoryview(message)[7:])) == raw(case["tag"])


def test_chacha20_poly1305() -> None:
    cases = list(records("ciphers/ChaCha20Poly1305/openssl.txt", "count"))
    assert len(cases) >= 2
    for case in cases:
        nonce, aad = raw(case["iv"]), raw(case["aad"])
        if len(nonce) == 12 and "result" not in case:
            sealed = ChaCha20Poly1305(raw(case["key"])).encrypt(nonce, raw(case["plaintext"]), aad)
            assert sealed == raw(case["ciphertext"]) + raw(case["tag"])


def test_hkdf_sha256_rfc_5869() -> None:
    cases = list(records("KDF/rfc-5869-HKDF-SHA256.txt", "count"))
    assert len(cases) == 3
    for case in cases:
        okm = hkdf(raw(case["ikm"]), salt=raw(case["salt"]), info=raw(case["info"]), length=int(case["l"]))
        assert okm == raw(case["okm"])


def test_key_schedule_is_the_hkdf_of_rfc_5869() -> None:
    """`derive` calls a library's HKDF; ours, checked above, gives the same bytes in the written order."""
    secrets = derive(b"s" * 64, b"t" * 32, b"prefix..")
    okm = hkdf(b"s" * 64 + b"t" * 32, salt=LABEL, info=b"prefix..", length=176)
    assert b"".join(secrets) == okm
    assert (secrets.stream, secrets.payload, secrets.tag) == (okm[:32], okm[64:96], okm[160:])


def test_hashes_of_the_standards() -> None:
    """The answers for "abc": SHA3-256 (FIPS 202 examples), BLAKE2b with a 32-byte digest (RFC 7693)."""
    assert hashlib.sha3_256(b"abc").hexdigest() == "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"
    assert (
        hashlib.blake2b(b"abc", digest_size=32).hexdigest()
        == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
    )


@cache
def wycheproof(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, test) of one file, as many as it says."""
    document = json.loads((WYCHEPROOF / f"{name}_test.json").read_text())
    tests = [(group, test) for group in document["testGroups"] for test in group["tests"]]
    assert len(tests) == document["numberOfTests"] > 0
    return tests


def test_wycheproof_x25519() -> None:
    refused = 0
    for _, test in wycheproof("x25519"):
        key, shared = AgreementKey(raw(test["private"])), raw(test["shared"])
        if any(shared):
            assert key.exchange(AgreementPublic(raw(test["public"]))) == shared
            continue
        refused += 1
        with pytest.raises(KeyRefusedError):
            key.exchange(AgreementPublic(raw(test["public"])))
    assert refused > 10


def test_wycheproof_ed25519() -> None:
    for group, test in wycheproof("ed25519"):
        key = VerifyKey(raw(group["publicKey"]["pk"]))
        assert key.verifies(raw(test["sig"]), raw(test["msg"])) == (test["result"] == "valid"), test["tcId"]


def test_wycheproof_hkdf_sha256() -> None:
    for _, test in wycheproof("hkdf_sha256"):
        arguments = {"salt": raw(test["salt"]), "info": raw(test["info"]), "length": test["size"]}
        if test["result"] == "valid":
            assert hkdf(raw(test["ikm"]), **arguments) == raw(test["okm"]), test["tcId"]
        else:
            with pytest.raises(ValueError, match="8160"):
                hkdf(raw(test["ikm"]), **arguments)


def test_wycheproof_chacha20_poly1305() -> None:
    for group, test in wycheproof("chacha20_poly1305"):
        if group["ivSize"] != 96:
            continue
        aead, nonce, aad = ChaCha20Poly1305(raw(test["key"])), raw(test["iv"]), raw(test["aad"])
        sealed = raw(test["ct"]) + raw(test["tag"])
        if test["result"] == "valid":
            assert aead.encrypt(nonce, raw(test["msg"]), aad) == sealed
            assert aead.decrypt(nonce, sealed, aad) == raw(test["msg"])
        else:
            with pytest.raises(InvalidTag):
                aead.decrypt(nonce, sealed, aad)


def test_wycheproof_mlkem_768() -> None:
    outcomes = {"valid": 0, "invalid": 0}
    for _, test in wycheproof("mlkem_768"):
        outcomes[test["result"]] += 1
        if test["result"] == "valid":
            assert decapsulated(test) == raw(test["K"]), test["tcId"]
        else:
            with pytest.raises(KeyRefusedError):
                decapsulated(test)
    assert min(outcomes.values()) > 5


def decapsulated(test: dict[str, Any]) -> bytes:
    key = KemKey(raw(test["seed"]))
    assert key.public.raw == raw(test.get("ek", "")) or test["result"] == "invalid"
    return key.decapsulate(raw(test["c"]))
