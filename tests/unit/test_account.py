"""Account IDs: what is mistyped is refused with the reason, what is no key of prime order too."""

import pytest
from bech32 import CHARSET, bech32_hrp_expand, bech32_polymod, convertbits

from essaim.protocol.account import BECH32M, Account, AccountId, AccountIdRefusedError

ACCOUNT = Account(bytes(range(32)))
ID = str(ACCOUNT.id)


def spelled(payload: bytes, prefix: str = "esm", constant: int = BECH32M) -> str:
    data = list(convertbits(payload, 8, 5) or ())
    polymod = bech32_polymod(bech32_hrp_expand(prefix) + data + [0] * 6) ^ constant
    return prefix + "1" + "".join(CHARSET[v] for v in data + [(polymod >> 5 * (5 - i)) & 31 for i in range(6)])


def test_account_keys_are_separate():
    keys = [
        ACCOUNT.seed,
        ACCOUNT.identity.seed,
        ACCOUNT.agreement.raw,
        ACCOUNT.mailbox_secret,
        ACCOUNT.backup_key,
    ]
    assert len(set(keys)) == 5
    assert Account(bytes(range(32))).id == ACCOUNT.id


def test_id_round_trips():
    assert ID.startswith("esm1") and len(ID) == 63
    assert AccountId.parse(ID) == AccountId.parse(ID.upper()) == AccountId.parse(f" {ID}\n") == ACCOUNT.id


def test_every_single_mistyped_character_is_refused():
    for place in range(len(ID)):
        for character in "qpzry9x8gf2tvdw0s3jn54khce6mua7lb1io":
            if character == ID[place]:
                continue
            with pytest.raises(AccountIdRefusedError):
                AccountId.parse(ID[:place] + character + ID[place + 1 :])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with esm1"),
        ("bc1" + ID[4:], "begins with esm1"),
        (ID[:-1], "63 characters"),
        (ID + "q", "63 characters"),
        (ID[:10] + "b" + ID[11:], "no ID has"),
        (ID[:-1] + ("q" if ID[-1] != "q" else "p"), "checksum"),
        (ID[:20].upper() + ID[20:], "all lower or all upper"),
        (spelled(b"\1" + ACCOUNT.id.raw, constant=1), "checksum"),
        (spelled(b"\2" + ACCOUNT.id.raw), "version"),
        (spelled(b"\1" + bytes(32)), "no valid key"),
        (spelled(b"\1" + b"\1" + bytes(31)), "no valid key"),
        (spelled(b"\1" + b"\2" + bytes(31)), "no valid key"),
    ],
)
def test_refusal_says_why_without_repeating_the_id(text, why):
    with pytest.raises(AccountIdRefusedError, match=why) as caught:
        AccountId.parse(text)
    assert caught.value.reason == "ACCOUNT_ID_REFUSED"
    assert len(text) < 10 or text not in str(caught.value)


def test_representations_show_nothing():
    assert ID not in repr(ACCOUNT.id) and ACCOUNT.seed.hex() not in repr(ACCOUNT)
