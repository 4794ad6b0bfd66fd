"""What a filter finds in a text, whoever hides it how, and what is set of one."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

import unicodedata

import pytest

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup.filter import ALL_ALPHABETS, FIELDS, Alphabet, Filter, alphabets, verdict
from essaim.protocol.opengroup.refusal import SettingsRefusedError
from essaim.protocol.opengroup.settings import DEFAULTS, check_filter, check_settings, untold

Settings = room_pb2.RoomSettings


def finds(text: str, **settings) -> bool:
    return Filter.of(Settings(**settings)).finds(text)


def test_filter_finds_its_lines_whatever_the_case() -> None:
    assert finds("Buy CHEAP pills now", filter="spam\ncheap Pills\n")
    assert not finds("nothing of it", filter="spam\n\n  \n")
    assert not finds("anything")


@pytest.mark.parametrize(
    "hidden",
    ["p\u200bills", "p\u00adills", "𝐩𝐢𝐥𝐥𝐬", "ｐｉｌｌｓ", "PILLS", "ⓟⓘⓛⓛⓢ", "\u202epills", "pi\u2060lls"],
)
def test_filter_compares_what_people_see(hidden: str) -> None:
    assert finds(f"cheap {hidden}!", filter="pills")


def test_filter_line_is_folded_as_texts_are() -> None:
    assert finds("STRASSE", filter="Straße") and finds("straße", filter="STRASSE")
    assert finds("کتاب\u200cها", filter="کتابها")  # a Persian plural with and without its joiner


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain English, 123 €", Alphabet.LATIN),
        ("123 !? 🐝", Alphabet(0)),
        ("привет", Alphabet.CYRILLIC),
        ("مرحبا", Alphabet.ARABIC),
        ("پارسی", Alphabet.ARABIC | Alphabet.PERSIAN),
        ("ﻣﺮﺣﺒﺎ", Alphabet.ARABIC),  # presentation forms
        ("γειά", Alphabet.GREEK),
        ("שלום", Alphabet.HEBREW),
        ("नमस्ते", Alphabet.DEVANAGARI),
        ("สวัสดี", Alphabet.THAI),
        ("안녕", Alphabet.HANGUL),
        ("你好", Alphabet.HAN),
        ("こんにちは カナ", Alphabet.KANA),
    ],
)
def test_alphabets_of_a_text_are_those_of_its_letters(text: str, found: Alphabet) -> None:
    assert alphabets(unicodedata.normalize("NFKC", text)) == found
    for alphabet in Alphabet:
        assert finds(text, filter_alphabets=int(alphabet)) == bool(found & alphabet), alphabet


def test_refusal_goes_before_silence_and_moderators_are_exempt() -> None:
    silent = Filter.of(Settings(filter="spam", filter_silent=True))
    loud = Filter.of(Settings(filter="spam eggs"))
    strict = Filter.of(Settings(filter="spam", filter_moderators=True))
    assert verdict((silent, loud), "spam eggs", moderator=False) is loud
    assert verdict((silent, loud), "spam", moderator=False) is silent
    assert verdict((silent, loud), "eggs", moderator=False) is None
    assert verdict((silent, loud), "spam eggs", moderator=True) is None
    assert verdict((silent, strict), "spam", moderator=True) is strict


def test_answer_puts_names_in_and_nothing_else() -> None:
    found = Filter.of(Settings(filter="x", filter_reply=" {member} in {room}: {0} {room.__class__} {member}"))
    assert found.answer("a {member} room", b"\xab" * 32) == "abababab in a {member} room: {0} {room.__class__} abababab"
    longest = Filter.of(Settings(filter="x", filter_reply="{room}" * 85))
    assert len(longest.answer("ü" * 64, bytes(32)).encode()) <= 4_096
    assert not Filter.of(Settings(filter="x", filter_reply="  ")).answer("room", bytes(32))


def test_settings_of_a_filter_are_bounded() -> None:
    check_settings(Settings(filter_alphabets=int(ALL_ALPHABETS), filter_reply="x" * 512))
    for bad in ({"filter_alphabets": int(ALL_ALPHABETS) + 1}, {"filter_reply": "x" * 513}, {"filter_reply": "a\0"}):
        with pytest.raises(SettingsRefusedError):
            check_settings(Settings(**bad))
    check_filter(Settings(filter="x", filter_silent=False))
    with pytest.raises(SettingsRefusedError, match="title"):
        check_filter(Settings(filter="x", title="all rooms"))


def test_members_are_told_nothing_of_a_filter() -> None:
    settings = Settings()
    settings.CopyFrom(DEFAULTS)
    untold(settings)
    assert not any(settings.HasField(name) for name in FIELDS) and settings.HasField("post_bytes")
    assert set(FIELDS) == {name for name in Settings.DESCRIPTOR.fields_by_name if name.startswith("filter")}
    assert {each.name for each in Alphabet} == {name[9:] for name in room_pb2.Alphabet.keys()[1:]}
