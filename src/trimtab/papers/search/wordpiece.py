"""WordPiece: text to the numbers of the word pieces that BERT models read.

Needs a vocabulary, one piece a line. Paper: Devlin, Chang, Lee and Toutanova, "BERT: Pre-training of Deep Bidirectional
Transformers for Language Understanding", NAACL 2019, arXiv:1810.04805, with the segmentation of Wu et al., "Google's
Neural Machine Translation System", 2016, arXiv:1609.08144.

Text is first made plain: control characters go, letters lose case and accents (Unicode form D without its marks), every
Chinese character and every punctuation mark is a word of its own. Each word is then cut from the left into the longest
pieces of the vocabulary; a piece that does not begin its word is written with ## before it. A word that cannot be cut,
or has more than 100 characters, is one unknown piece.

Text is data here: "[CLS]" within a text is three words, where some implementations read the mark that begins a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from trimtab.base.errors import InvalidArgument, message

__all__ = ["WordPiece", "words_of"]

_LONGEST = 100
"""Characters of a word beyond which it is unknown."""

_KEPT = 50_000
"""Words whose pieces are remembered."""


@final
@dataclass(frozen=True, slots=True)
class WordPiece:
    """The pieces of an uncased BERT vocabulary.

    Arguments:
        numbers: of each piece.
    """

    numbers: Mapping[str, int]
    _known: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, path: Path) -> WordPiece:
        """A vocabulary from a file: one piece a line, numbered from 0.

        Raises:
            InvalidArgument: the file lacks one of the pieces [UNK], [CLS] and [SEP].
        """
        pieces = path.read_text("utf-8").split("\n")
        numbers = {piece.rstrip("\r"): number for number, piece in enumerate(pieces) if piece}
        for needed in ("[UNK]", "[CLS]", "[SEP]"):
            if needed not in numbers:
                raise InvalidArgument(
                    message(
                        f"the vocabulary {path.name!r} lacks the piece {needed}",
                        allowed="one piece a line, those of an uncased BERT model",
                    )
                )
        return cls(numbers)

    def encode(self, text: str, longest: int) -> list[int]:
        """Numbers of the pieces of a text between [CLS] and [SEP], at most `longest` in all: what is beyond is cut."""
        pieces: list[int] = [self.numbers["[CLS]"]]
        for word in words_of(text):
            pieces.extend(self._pieces(word))
            if len(pieces) >= longest - 1:
                break
        return [*pieces[: longest - 1], self.numbers["[SEP]"]]

    def _pieces(self, word: str) -> tuple[int, ...]:
        known = self._known.get(word)
        if known is None:
            known = self._cut(word)
            if len(self._known) < _KEPT:
                self._known[word] = known
        return known

    def _cut(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST:
            return (self.numbers["[UNK]"],)
        pieces: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self.numbers.get(("##" if start else "") + word[start:end])
                if number is not None:
                    pieces.append(number)
                    start = end
                    break
            else:
                return (self.numbers["[UNK]"],)
        return tuple(pieces)


def words_of(text: str) -> Iterator[str]:
    """The words and marks of a text, made plain, one at a time.

    >>> list(words_of("Fréchet's 2-norm"))
    ['frechet', "'", 's', '2', '-', 'norm']
    """
    # One run of a text at a time, so that of a very long one no more is made plain than is read.
    for run in text.split():
        word = ""
        for character in _plain(run):
            if character == " " or _stands_alone(character):
                if word:
                    yield word
                if character != " ":
                    yield character
                word = ""
            else:
                word += character
        if word:
            yield word


def _plain(run: str) -> str:
    if run.isascii():
        return "".join(c for c in run.lower() if c.isprintable())
    kept = "".join(c for c in run if c != "\ufffd" and not unicodedata.category(c).startswith("C"))
    apart = "".join(f" {c} " if _chinese(c) else c for c in kept)
    return "".join(c for c in unicodedata.normalize("NFD", apart) if unicodedata.category(c) != "Mn").lower()


def _stands_alone(character: str) -> bool:
    if character.isascii():
        return not character.isalnum()
    return unicodedata.category(character).startswith("P") or _chinese(character)


def _chinese(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _CHINESE)


_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""The blocks of CJK ideographs that BERT sets apart."""
