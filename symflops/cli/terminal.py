"""Answers that fit where they are printed: lines as wide as the terminal, JSON in whatever encoding the output has.

In a pipe or a file nothing is broken: a program reads it.
"""

from __future__ import annotations

import codecs
import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from contextvars import ContextVar
from io import TextIOBase
from typing import TextIO

_WIDTH: ContextVar[int | None] = ContextVar("width", default=None)
_HANGING = 4
_LEAST = 20  # columns of a cell that is broken into lines
# Where a line may end: after a space, or in what has none after an operator, a bracket, or a dot or comma in no number.
# A bracket with which a word begins stays with it.
_PIECES = re.compile(r"\s+|(?:(?<!\S)\(+)?(?:[^\s*/(,.]|[,.](?=\d))+(?:[*/(]|[,.](?!\d))*|[*/(,.]+")


class _Writer(TextIOBase):
    """What is printed goes on to another stream, one whole line after the other."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.open = ""

    def write(self, text: str) -> int:
        *lines, self.open = (self.open + text).split("\n")
        for line in lines:
            self.stream.write(f"{self.changed(line)}\n")
        return len(text)

    def flush(self) -> None:
        if self.open:
            self.stream.write(self.changed(self.open))
            self.open = ""
        self.stream.flush()

    def changed(self, line: str) -> str:
        raise NotImplementedError


class _Fitted(_Writer):
    def changed(self, line: str) -> str:
        return "\n".join(broken(line, _WIDTH.get() or len(line)))


class _Escaped(_Writer):
    def changed(self, line: str) -> str:
        return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], line)  # only strings have such


@contextmanager
def answering(kind: str) -> Iterator[None]:
    """Inside, an answer of this format is printed so that it fits the terminal and the output's encoding."""
    stream = sys.stdout
    is_text = kind in ("", "text", "table")
    columns = shutil.get_terminal_size().columns if stream is not None and stream.isatty() and is_text else None
    token = _WIDTH.set(columns)
    writer: _Writer | None = None
    if columns is not None:
        writer = _Fitted(stream)
    elif kind == "json" and not _is_utf(stream):
        writer = _Escaped(stream)
    try:
        with redirect_stdout(writer) if writer is not None else nullcontext():
            yield
    finally:
        if writer is not None:
            writer.flush()
        _WIDTH.reset(token)


@contextmanager
def verbatim() -> Iterator[None]:
    """Inside, lines are printed as they are: a file's, which somebody may copy."""
    token = _WIDTH.set(None)
    try:
        yield
    finally:
        _WIDTH.reset(token)


def _is_utf(stream: TextIO | None) -> bool:
    encoding = getattr(stream, "encoding", None)
    return encoding is None or codecs.lookup(encoding).name.startswith("utf")


def broken(line: str, width: int) -> list[str]:
    """A line as lines of at most that width, those after the first indented.

    >>> broken("flops = 2*seq_len*(batch_size + 132608) + 17", 24)
    ['flops = 2*seq_len*(', '    batch_size + 132608)', '    + 17']
    """
    if len(line) <= width:
        return [line]
    leading = len(line) - len(line.lstrip())
    current, indent = " " * min(leading, width // 2), " " * min(leading + _HANGING, width // 2)
    lines: list[str] = []
    begun = False  # something but the indent stands in the current line
    for found in _PIECES.findall(line.strip()):
        piece = found
        if begun and len(current) + len(piece.rstrip()) > width:
            lines.append(current.rstrip())
            current, begun = indent, False
        if not begun:
            piece = piece.lstrip()
        while len(current) + len(piece.rstrip()) > width:  # longer than a line
            room = width - len(current)
            lines.append(current + piece[:room])
            current, piece = indent, piece[room:]
        current += piece
        begun = begun or bool(piece)
    return [*lines, current.rstrip()] if begun or not lines else lines


def aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Rows as columns, numbers to the right. On a terminal that is too narrow the last column, if it is text, is broken
    into lines; otherwise the columns go below each other in blocks, each with the first."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    width = _WIDTH.get()
    for gap in (2, 1):
        if width is None or sum(widths) + gap * (len(widths) - 1) <= width:
            return _block(rows, right, widths, range(len(right)), gap)
    assert width is not None
    rest = width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    if not right[-1] and rest >= _LEAST:
        return _block(rows, right, [*widths[:-1], rest], range(len(right)), 2)
    first = min(widths[0], max(width // 2, width - max(widths[1:], default=0) - 2))
    blocks: list[list[int]] = [[0]]
    shown = [first, *(min(w, max(width - first - 2, 1)) for w in widths[1:])]
    for i in range(1, len(right)):
        if len(blocks[-1]) > 1 and sum(shown[j] + 2 for j in blocks[-1]) + shown[i] > width:
            blocks.append([0])
        blocks[-1].append(i)
    return "\n\n".join(_block(rows, right, shown, block, 2) for block in blocks)


def _block(
    rows: Sequence[Sequence[str]], right: Sequence[bool], widths: Sequence[int], columns: Sequence[int], gap: int
) -> str:
    lines = []
    for row in rows:
        cells = [broken(row[i], widths[i]) if len(row[i]) > widths[i] else [row[i]] for i in columns]
        for n in range(max(map(len, cells))):
            parts = [cell[n] if n < len(cell) else "" for cell in cells]
            shown = [
                p.rjust(widths[i]) if right[i] else p.ljust(widths[i]) for p, i in zip(parts, columns, strict=True)
            ]
            lines.append((" " * gap).join(shown).rstrip())
    return "\n".join(lines)
