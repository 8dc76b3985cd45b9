"""Which modules of a model a config means: patterns of their names as configs write them, and the names that the layers
of a model have in a checkpoint.

Patterns come from anybody. A regular expression is matched only where it cannot take long: it is short, repeats little,
and no group of it is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

from symflops.errors import SymflopsError

_WRAPPERS = ("model", "language_model", "text_model", "transformer", "base_model", "backbone")
_ALIKE = {"block_sparse_moe": "mlp", "w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}  # in older checkpoints
_ABOVE = ("", "model.", "model.language_model.", "language_model.model.", "transformer.")
MOST_PATTERNS = 200_000
_LONGEST = 300  # characters of a pattern
_MOST_REPEATS = 5  # signs of repetition in a regular expression
_GROUP_REPEATED = re.compile(r"\)\s*[*+{]")


def bare(name: str) -> str:
    """A module's name without the wrappers around the text model, which differ between a checkpoint and its config, and
    with the names that transformers has for experts.

    >>> bare("model.language_model.layers.3.mlp")
    'layers.3.mlp'
    """
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return ".".join(_ALIKE.get(part, part) for part in parts)


@dataclass(frozen=True)
class Patterns:
    """Names, parts of names (`mlp.gate`), globs (`model.layers.0.self_attn*`) and regular expressions (`re:.*gate`)."""

    texts: tuple[str, ...]

    @staticmethod
    def of(texts: Iterable[object]) -> Patterns:
        """Raises SymflopsError for what is no text, for too many, and for an expression that might take long."""
        found = []
        for text in texts:
            if not isinstance(text, str) or not text:
                raise SymflopsError(f"a name of modules is {str(text)[:60]!r}")
            found.append(text)
            if len(found) > MOST_PATTERNS:
                raise SymflopsError(f"more than {MOST_PATTERNS:,} names of modules")
            if text.startswith("re:") or "*" in text or "?" in text or "[" in text:
                _check(text)
        patterns = Patterns(tuple(dict.fromkeys(found)))
        _ = patterns._expressions  # a mistake in one is said here
        return patterns

    def __bool__(self) -> bool:
        return bool(self.texts)

    def match(self, name: str, class_name: str = "") -> bool:
        """Whether a module of this name, or one that it is in, is meant."""
        short = bare(name)
        parts = short.split(".")
        for start in range(len(parts)):
            for end in range(start + 1, len(parts) + 1):
                if ".".join(parts[start:end]) in self._plain:
                    return True
        if class_name and class_name in self._plain:
            return True
        if any(glob.match(text) for glob in self._globs for text in (name, short)):
            return True
        return any(pattern.match(f"{above}{short}") for pattern in self._expressions for above in _ABOVE)

    def is_named(self, name: str, class_name: str = "") -> bool:
        """Whether exactly this module, or its class, is meant, or an expression is of its name."""
        short = bare(name)
        if short in self._plain or (class_name and class_name in self._plain):
            return True
        if any(glob.match(text) for glob in self._globs for text in (name, short)):
            return True
        return any(pattern.match(f"{above}{short}") for pattern in self._expressions for above in _ABOVE)

    @cached_property
    def _plain(self) -> frozenset[str]:
        return frozenset(bare(text.strip(".")) for text in self.texts if not _is_special(text))

    @cached_property
    def _globs(self) -> tuple[re.Pattern[str], ...]:
        globs = [text for text in self.texts if _is_special(text) and not text.startswith("re:")]
        texts = [g for text in globs for g in dict.fromkeys((text, bare(text)))]
        return tuple(re.compile(translate(g)) for text in texts for g in (text, f"{text}.*"))

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_compiled(text[3:]) for text in self.texts if text.startswith("re:"))


def _is_special(text: str) -> bool:
    return text.startswith("re:") or any(sign in text for sign in "*?[")


def _check(text: str) -> None:
    body = text.removeprefix("re:")
    if len(body) > _LONGEST or sum(body.count(sign) for sign in "*+{") > _MOST_REPEATS or _GROUP_REPEATED.search(body):
        raise SymflopsError(f"the pattern of modules {text[:60]!r} might take too long to match")


def _compiled(body: str) -> re.Pattern[str]:
    try:
        return re.compile(body)
    except (re.error, OverflowError, RecursionError) as error:
        raise SymflopsError(f"the pattern of modules {body[:60]!r}: {error}") from None


def in_list(label: str, total: int) -> list[int] | None:
    """The places in a list of layers that the name of one of its kinds says; None where it does not say them.

    >>> in_list("0_to_2", 9), in_list("later", 4), in_list("full_attention", 4)
    ([0, 1, 2], [1, 2, 3], None)
    """
    if label.isdecimal():
        return [int(label)] if int(label) < total else None
    ends = re.fullmatch(r"(\d{1,6})_to_(\d{1,6})", label)
    if ends:
        first, last = map(int, ends.groups())
        return list(range(first, last + 1)) if first <= last < total else None
    named = {"first": range(1), "later": range(1, total), "earlier": range(total - 1), "last": range(total - 1, total)}
    return list(named[label]) if label in named and total > 1 else None


def with_indices(before: Iterable[str], indices: Iterable[int]) -> Iterator[str]:
    """Each of these names with each index below it."""
    numbers = list(indices)
    for name in before:
        for index in numbers:
            yield f"{name}.{index}"
