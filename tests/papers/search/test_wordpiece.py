"""WordPiece: the longest pieces, plain text, and another implementation of the same rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.base.errors import InvalidArgument
from trimtab.papers.search import embeddings
from trimtab.papers.search.wordpiece import WordPiece, words_of

PIECES = ["[UNK]", "[CLS]", "[SEP]", "un", "##believ", "##able", "unbe", "##lievable", "!", "frechet", "学"]

HARD = [
    "Fréchet regression: naïve, Ünïcödé — “quoted” … and (bracketed) text.",
    "Unbelievably high-dimensional x^2 + \\alpha_{ij} ~ 10^{-3} <b>`|$",
    "日本語のテスト and 한국어 텍스트 and العربية and हिन्दी",
    "tab\tnew\nline\r\n no-break\u00a0space\u3000wide\u200bzero\u00adhyphen\ufeff\u0000\ufffd",
    "😀 emoji🤖inside",
    "ﬁne ½ ² İstanbul ß ᾳ Schrödinger",
    "y" * 101 + " " + "a" * 100,
    "",
    "   ",
]


@pytest.fixture
def small() -> WordPiece:
    return WordPiece({piece: number for number, piece in enumerate(PIECES)})


def named(small: WordPiece, text: str, longest: int = 100) -> list[str]:
    return [PIECES[number] for number in small.encode(text, longest)]


def test_a_word_is_cut_from_the_left_into_the_longest_pieces(small: WordPiece) -> None:
    assert named(small, "Unbelievable!") == ["[CLS]", "unbe", "##lievable", "!", "[SEP]"]


def test_a_word_that_cannot_be_cut_is_one_unknown_piece(small: WordPiece) -> None:
    assert named(small, "unbeknown un") == ["[CLS]", "[UNK]", "un", "[SEP]"]
    assert named(small, "un" + "able" * 25) == ["[CLS]", "[UNK]", "[SEP]"]


def test_accents_and_case_go_and_chinese_characters_stand_alone(small: WordPiece) -> None:
    assert named(small, "FRÉCHET学学") == ["[CLS]", "frechet", "学", "学", "[SEP]"]


def test_marks_within_a_text_are_words_and_nothing_else(small: WordPiece) -> None:
    assert list(words_of("[CLS] a")) == ["[", "cls", "]", "a"]
    assert named(small, "[SEP]").count("[SEP]") == 1


def test_what_is_too_long_is_cut_and_still_ends(small: WordPiece) -> None:
    assert named(small, "un " * 50, 5) == ["[CLS]", "un", "un", "un", "[SEP]"]


def test_a_vocabulary_without_the_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\nun\n")
    with pytest.raises(InvalidArgument, match=r"lacks the piece \[SEP\]"):
        WordPiece.read(tmp_path / "vocab.txt")


@pytest.mark.skipif(not embeddings.Meaning.available(), reason="the sentence model is not installed")
@pytest.mark.parametrize("text", HARD)
def test_pieces_are_those_of_another_implementation(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    folder = embeddings._folder()
    assert folder is not None
    other = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    other.no_truncation()
    other.no_padding()
    assert WordPiece.read(folder / "vocab.txt").encode(text, 10_000) == other.encode(text).ids
