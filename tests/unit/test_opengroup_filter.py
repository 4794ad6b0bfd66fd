"""What a filter finds in a text, whoever hides it how, and what is set of one."""

# ruff: noqa: RUF001 - letters that look like others are what this is about

import random
import time
import unicodedata

import pytest

from essaim.opengroup.v1 import room_pb2
from essaim.protocol.opengroup.filter import ALL_ALPHABETS, FIELDS, OF_ROOM, Alphabet, Filter, alphabets, verdict
from essaim.protocol.opengroup.folding import MARKS_AFTER_ALL, UNSEEN, folded
from essaim.protocol.opengroup.refusal import SettingsRefusedError
from essaim.protocol.opengroup.settings import DEFAULTS, check_filter, check_settings, untold
from essaim.protocol.opengroup.words import Words

Settings = room_pb2.RoomSettings


def finds(text: str, **settings) -> bool:
    return Filter.of(Settings(**settings)).finds(text)


def test_filter_finds_its_lines_whatever_the_case() -> None:
    assert finds("Buy CHEAP pills now", filter="spam\ncheap Pills\n")
    assert not finds("nothing of it", filter="spam\n\n  \n")
    assert not finds("anything")


def test_filter_that_can_find_nothing_is_none() -> None:
    assert not Filter.of(Settings(filter=" \n\u200b\n", filter_silent=True, filter_moderators=True))
    assert Filter.of(Settings(filter="x")) and Filter.of(Settings(filter_alphabets=int(Alphabet.THAI)))


@pytest.mark.parametrize(
    "hidden",
    ["p\u200bills", "p\u00adills", "𝐩𝐢𝐥𝐥𝐬", "ｐｉｌｌｓ", "PILLS", "ⓟⓘⓛⓛⓢ", "\u202epills", "pi\u2060lls"]
    + [f"p{chr(point)}ills" for point in (0x34F, 0xFE0F, 0x180B, 0x3164, 0x115F, 0x17B4, 0xE0100, 0x2800, 0xFFA0)],
)
def test_filter_compares_what_people_see(hidden: str) -> None:
    assert finds(f"cheap {hidden}!", filter="pills")


def test_everything_unseen_is_left_out_and_every_mark_counted() -> None:
    """By the tables of this Python's Unicode: what a later one adds is to be added here."""
    for point in map(chr, (*range(0x20000), *range(0xE0000, 0xE0200))):
        if unicodedata.category(point) == "Cf":
            assert UNSEEN.fullmatch(point), hex(ord(point))
        if not point.isascii() and not unicodedata.is_normalized("NFKD", point) and not unicodedata.combining(point):
            hidden = bool(unicodedata.combining(unicodedata.normalize("NFKD", point)[0]))
            assert hidden == (point in MARKS_AFTER_ALL), hex(ord(point))


def falling_marks(count: int) -> str:
    """In the order that costs most to sort."""
    by_class = {unicodedata.combining(chr(point)): chr(point) for point in range(0x300, 0x36F)} | {0: ""}
    falling = [by_class[each] for each in sorted(by_class, reverse=True) if each]
    return "".join(falling[at * len(falling) // count] for at in range(count))


@pytest.mark.parametrize(
    "text",
    [
        *("a" + falling_marks(5_000), ("a" + falling_marks(30)) * 160, "a" + "\u0f73\uff9e" * 1_600),
        *("\ufdfa" * 3_400, "\ufdfb" * 3_400, "".join(map(chr, range(0x4E00, 0x4E00 + 3_400)))),
        falling_marks(2_500).replace("\u0323", "\u0323\u034f"),
        ("\ufdfb" * 1_364 + "x") * 2,
    ],
    ids=["marks", "runs", "marks after all", "sentences", "phrases", "letters", "joined", "all but a word"],
)
def test_no_text_is_dear_to_compare(text: str) -> None:
    """10 kB against full filters: some 7 ms with one; 60 to some hundreds before there were bounds."""
    letters = "".join(map(chr, range(0x627, 0x64B)))
    many = Filter.of(Settings(filter="\n".join(a + b for a in letters[:20] for b in letters), filter_alphabets=2))
    deep = Filter.of(Settings(filter="\ufdfb" * 1_365))
    began = time.thread_time()
    seen = folded(text)
    verdict((many, deep), seen, moderator=False)
    assert time.thread_time() - began < 0.06
    assert len(seen) <= 8 * len(text)


def test_marks_of_languages_stay() -> None:
    assert not finds("nino", filter="niño") and finds("Nin\u0303o", filter="niño")
    assert folded("a" + "\u0323" * 40) == folded("a" + "\u0323" * 30) != folded("a" + "\u0323" * 29)


def test_words_find_what_a_search_for_each_finds() -> None:
    chance = random.Random(7)
    for _ in range(3_000):
        words = ["".join(chance.choices("ab", k=chance.randint(0, 5))) for _ in range(chance.randint(0, 5))]
        text = "".join(chance.choices("abc", k=chance.randint(0, 12)))
        assert Words(words).in_text(text) == any(word in text for word in words if word), (words, text)


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


def test_admins_of_a_room_do_not_speak_as_its_host() -> None:
    found = Filter.of(Settings(name="room", filter="x", filter_reply="no\u2028\nThe host: send me your {room}"))
    assert found.answer("token", bytes(32)) == f"{OF_ROOM}> no\n> \n> The host: send me your token"
    longest = Filter.of(Settings(name="room", filter="x", filter_reply="{room}\n" * 73))
    assert len(longest.answer("ü" * 64, bytes(32)).encode()) <= 4_096
    assert not Filter.of(Settings(name="room", filter="x")).answer("room", bytes(32))


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
