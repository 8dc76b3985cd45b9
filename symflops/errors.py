"""The one exception that users see."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


_PART = 3  # letters of a part of a name that is recognised
_NEAR = 3  # names that a hint lists


class SymflopsError(Exception):
    """Something the user gave is wrong; the message is one line that names the place and the culprit.

    >>> raise SymflopsError("no such layer", where="model.json: layers.mlp")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: model.json: layers.mlp: no such layer
    """

    def __init__(self, message: str, *, where: str = "") -> None:
        self.message = message
        self.where = where
        super().__init__(one_line(f"{where}: {message}" if where else message))

    def in_words_of(self, texts: Mapping[str, str]) -> SymflopsError:
        """The same error, with what somebody wrote in place of the names that stood for it."""
        message = self.message
        for name, text in texts.items():
            message = message.replace(name, text)
        kind = NoValueError if isinstance(self, NoValueError) else SymflopsError
        return kind(message, where=self.where)

    def within(self, place: str) -> SymflopsError:
        """The same error, prefixed with where it was raised (a file, a layer, a key)."""
        kind = NoValueError if isinstance(self, NoValueError) else SymflopsError
        return kind(self.message, where=f"{place}: {self.where}" if self.where else place)


class NoValueError(SymflopsError):
    """A value that exists nowhere: something is divided by 0, or the root of a negative number is taken."""


def one_line(text: str, limit: int = 400) -> str:
    """Text of unknown origin on one line, control characters made visible, long middles cut.

    >>> one_line("a" + chr(10) + "b")
    'a\\\\nb'
    """
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= limit else f"{line[: limit - 40]} … {line[-36:]}"


def reason(error: Exception, lines: int = 1) -> str:
    """What somebody else's code raised, in its own first words: the lines that are not empty, else the error's name.

    >>> reason(ValueError("no such size" + chr(10) + "a long story")), reason(KeyError())
    ('no such size', 'KeyError')
    """
    said = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return one_line(" ".join(said[:lines]), 300)


def expect(value: object, kind: type | tuple[type, ...], what: str) -> None:
    """Raise SymflopsError for a value of another type.

    >>> expect(None, str, "the name of a formula")
    Traceback (most recent call last):
    symflops.errors.SymflopsError: expected the name of a formula, got NoneType
    """
    if not isinstance(value, kind):
        raise SymflopsError(f"expected {what}, got {type(value).__name__}")


def nearest(name: object, valid: list[str] | tuple[str, ...]) -> str:
    """A hint for a name that does not exist: `; did you mean 'x'?`, or the valid names when they are few.

    >>> nearest("llama", ["gpt2", "llama-2-7b-hf", "llama-3.1-8b"])
    "; did you mean 'llama-2-7b-hf' or 'llama-3.1-8b'?"
    """
    from difflib import get_close_matches

    text = str(name)[:100]
    begun = [one for one in valid if one.lower().startswith(text.lower())] if len(text) >= _PART else []
    close = begun if 0 < len(begun) <= _NEAR else get_close_matches(text, valid, n=1, cutoff=0.6)
    if not close and len(text) >= _PART:
        close = [one for one in valid if text.lower() in one.lower()]
    if 0 < len(close) <= _NEAR:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    if 0 < len(valid) <= 12:
        return f"; valid: {', '.join(sorted(valid))}"
    return ""
