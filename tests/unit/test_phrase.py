"""The recovery phrase: BIP-39's vectors, and one clear error for each way to get it wrong."""

import json
from pathlib import Path

import pytest

from essaim.protocol.phrase import (
    PhraseChecksumError,
    PhraseLengthError,
    PhraseWordError,
    entropy_of,
    seed_of,
    words_of,
)

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "bip39.json").read_text())["vectors"]
WORDS = VECTORS[4]["words"]


@pytest.mark.parametrize("vector", VECTORS, ids=[v["entropy"][:8] for v in VECTORS])
def test_phrase_matches_bip39(vector):
    entropy = bytes.fromhex(vector["entropy"])
    assert words_of(entropy) == vector["words"]
    assert entropy_of(vector["words"]) == entropy


def test_phrase_forgives_case_and_spacing():
    assert entropy_of("  " + WORDS.upper().replace(" ", "\n ") + " ") == entropy_of(WORDS)


@pytest.mark.parametrize("words", ["", "zoo", " ".join(WORDS.split()[:12]), WORDS + " zoo"])
def test_phrase_refuses_another_length(words):
    with pytest.raises(PhraseLengthError, match="24 words"):
        entropy_of(words)


def test_phrase_names_the_place_of_an_unknown_word_but_not_the_word():
    words = WORDS.split()
    words[6] = "tittle"
    with pytest.raises(PhraseWordError, match="word 7") as caught:
        entropy_of(" ".join(words))
    assert "tittle" not in str(caught.value)


def test_phrase_refuses_another_order():
    words = WORDS.split()
    words[0], words[1] = words[1], words[0]
    with pytest.raises(PhraseChecksumError, match="order"):
        entropy_of(" ".join(words))


def test_phrase_refuses_a_wrong_word_of_the_list():
    words = WORDS.split()
    words[-1] = "zoo"
    with pytest.raises(PhraseChecksumError):
        entropy_of(" ".join(words))


def test_passphrase_gives_another_account_and_none_gives_the_entropy():
    entropy = entropy_of(WORDS)
    seeds = {seed_of(entropy), seed_of(entropy, "a"), seed_of(entropy, "b")}
    assert len(seeds) == 3 and seed_of(entropy) == entropy
    assert seed_of(entropy, "a") == seed_of(entropy, "a")
    assert seed_of(entropy, "\u00e9") == seed_of(entropy, "e\u0301")
