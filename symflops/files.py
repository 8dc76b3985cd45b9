"""Files are read and written here and nowhere else.

What is read may be anything that a name leads to: a device, a pipe that nobody writes to, a folder, another encoding.
What is written is there whole or not at all: it is written beside its place, synced and moved there.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import select
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from symflops.errors import SymflopsError

_WAIT_SECONDS = 10  # for the next byte of a pipe or a terminal
_CHUNK = 2**20
_NOT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class NoFileError(SymflopsError):
    """There is no file of this name."""


# ------------------------------------------------------------------------------------------------------------- reading


def exists(path: str | Path) -> bool:
    """Whether there is a file, or anything else, of this name."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long for a name, or a null byte
        return False


def is_file(path: str | Path) -> bool:
    """Whether there is a file of this name; what cannot be a name is none."""
    return exists(path) and Path(path).is_file()


def is_directory(path: str | Path) -> bool:
    """Whether there is a directory of this name; what cannot be a name is none."""
    return exists(path) and Path(path).is_dir()


def read_bytes(path: Path, most: int, what: str) -> bytes:
    """All bytes of a file, at most so many; `what` it is stands in messages ("a model file").

    Raises SymflopsError, without the path, for what is no file, cannot be read, is larger or does not come.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOT_WAITING)
        try:
            content = _content(descriptor, most + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise NoFileError(f"cannot read: {error.strerror}") from None
    except OSError as error:
        raise SymflopsError(f"cannot read: {error.strerror or error}") from None
    except ValueError as error:  # a null byte in the name
        raise NoFileError(f"cannot read: {error}") from None
    if len(content) > most:
        raise SymflopsError(f"larger than the {most:,} bytes that {what} may have")
    return content


def _content(descriptor: int, most: int) -> bytes:
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISDIR(kind):
        raise SymflopsError(f"cannot read: {os.strerror(errno.EISDIR)}")
    chunks: list[bytes] = []
    missing = most
    while missing > 0:
        is_ready = stat.S_ISREG(kind) or _is_ready(descriptor, 1)
        try:
            chunk = os.read(descriptor, min(_CHUNK, missing))
        except BlockingIOError:  # somebody has it open and has not written yet
            if not _is_ready(descriptor, _WAIT_SECONDS):
                raise SymflopsError(f"cannot read: no data for {_WAIT_SECONDS} s") from None
            continue
        if not chunk:
            if not is_ready:
                raise SymflopsError("cannot read: a pipe that nobody writes to")
            break
        chunks.append(chunk)
        missing -= len(chunk)
    return b"".join(chunks)


def _is_ready(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


class OpenFile:
    """A regular file of which parts are read where they stand, never all of it."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor, self.size = descriptor, size

    def at(self, offset: int, count: int) -> bytes:
        """So many bytes from a place on. Raises SymflopsError where the file has not so many."""
        if not 0 <= offset <= offset + count <= self.size:
            raise SymflopsError(f"it ends after {self.size:,} bytes, before what it says that it has")
        chunks: list[bytes] = []
        while count > 0:
            chunk = os.pread(self._descriptor, min(_CHUNK, count), offset)
            if not chunk:
                raise SymflopsError("cannot read: it became shorter")
            chunks.append(chunk)
            offset, count = offset + len(chunk), count - len(chunk)
        return b"".join(chunks)


@contextmanager
def opened(path: Path) -> Iterator[OpenFile]:
    """A regular file, to read parts of it. Raises SymflopsError, without the path, for what is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NOT_WAITING)
    except FileNotFoundError as error:
        raise NoFileError(f"cannot read: {error.strerror}") from None
    except OSError as error:
        raise SymflopsError(f"cannot read: {error.strerror or error}") from None
    except ValueError as error:  # a null byte in the name
        raise NoFileError(f"cannot read: {error}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise SymflopsError("cannot read: parts of it are wanted, and it is no regular file")
        yield OpenFile(descriptor, found.st_size)
    except OSError as error:
        raise SymflopsError(f"cannot read: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def read_text(path: Path, most: int, what: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises SymflopsError as `read_bytes` does."""
    return text_of(read_bytes(path, most, what))


def text_of(content: bytes) -> str:
    """The text of bytes in UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SymflopsError("not UTF-8: it begins as UTF-16 does; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SymflopsError(f"not UTF-8: byte {error.start}") from None


def json_of(text: str, *, constants: bool = False) -> dict[str, Any]:
    """The object of a JSON text; a key that occurs twice is an error, and so are NaN and Infinity unless these
    `constants` are allowed, as in transformers' configs.

    >>> json_of('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    refuse: Callable[[str], Any] | None = None if constants else _no_constant
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise SymflopsError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError:
        raise SymflopsError("not JSON: an integer of more than 4,300 digits") from None
    except RecursionError:
        raise SymflopsError("nested too deeply") from None
    if not isinstance(data, dict):
        raise SymflopsError(f"expected a JSON object, got {type(data).__name__}")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # None is false
        raise SymflopsError(f"key {twice!r} occurs twice")
    return data


def _no_constant(text: str) -> None:
    raise SymflopsError(f"{text} is not a number")


def read_toml(path: Path, most: int, what: str, decimal: Callable[[str], Any] = float) -> dict[str, Any]:
    """The tables of a TOML file; `decimal` reads what is no integer. Raises SymflopsError as `read_bytes` does."""
    import tomllib

    content = read_bytes(path, most, what)
    try:
        return tomllib.loads(text_of(content), parse_float=decimal)
    except SymflopsError as error:
        reason = error.message
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError:
        reason = "an integer of more than 4,300 digits"
    except ArithmeticError:
        reason = "a number is out of range"
    raise SymflopsError(f"not a TOML file: {reason}")


def table_of_texts(data: Mapping[str, Any], key: str) -> dict[str, str]:
    """A table of texts in the data of a file, empty where it is not there.

    Raises SymflopsError naming what is no text.
    """
    table = data.get(key, {})
    if not isinstance(table, dict):
        raise SymflopsError(f"{key}: expected a table")
    for name, text in table.items():
        if not isinstance(text, str):
            raise SymflopsError(f"{key}.{name}: expected a text, got {type(text).__name__}")
    return table


# ------------------------------------------------------------------------------------------------------------- writing


def write(path: Path, content: bytes, *, follow: bool = True) -> None:
    """All of a file or, if something goes wrong, the old one as it was. A link stays a link and its target is written,
    unless it is not to be followed: then the file takes its place. Nothing is left behind, not even when the process is
    killed while it writes, where the system knows files without a name.

    Raises SymflopsError, one line with the path, where it cannot be written.
    """
    try:
        target = path.resolve() if follow else path
        there = target.stat().st_mode if target.exists() else None
        if there is not None and not stat.S_ISREG(there):
            with target.open("wb") as device:
                device.write(content)
        else:
            _replace(target, content, there)
    except OSError as error:
        raise SymflopsError(f"cannot write: {error.strerror or error}", where=str(path)) from None
    except (ValueError, RuntimeError) as error:  # a null byte in the name, links in a circle
        raise SymflopsError(f"cannot write: {error}", where=str(path)) from None


def _replace(target: Path, content: bytes, mode: int | None) -> None:
    beside = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        descriptor, is_nameless = _new_file(beside)
        try:
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(content)
            if mode is not None:
                os.fchmod(descriptor, stat.S_IMODE(mode))
            os.fsync(descriptor)
            if is_nameless:
                # With a folder, which an absolute name does not need, Python asks to follow the link.
                os.link(f"/proc/self/fd/{descriptor}", beside, src_dir_fd=descriptor, follow_symlinks=True)
        finally:
            os.close(descriptor)
        os.replace(beside, target)
    except BaseException:  # an interruption, too, leaves nothing behind; it goes on to who says what happened
        beside.unlink(missing_ok=True)
        raise


def _new_file(beside: Path) -> tuple[int, bool]:
    """A new file, without a name where the system has such files: it is gone with the process."""
    if hasattr(os, "O_TMPFILE") and os.path.exists("/proc/self/fd"):
        try:
            return os.open(beside.parent, os.O_TMPFILE | os.O_WRONLY, 0o666), True
        except OSError:
            pass  # a file system without them
    return os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), False
