"""Numbers and their units as people write and read them."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction

from symflops.errors import SymflopsError
from symflops.vocabulary.metrics import UNITS

_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
# What may stand behind a number that is written: 128k is 128,000, and 128Ki is 131,072.
FACTORS = {p: 1000**i for i, p in enumerate(_PREFIXES[:7])} | {"K": 1000}
FACTORS |= {f"{p.upper()}i": 1024**i for i, p in enumerate(_PREFIXES[:7]) if p}
_NOUNS = {"FLOP": "FLOP", "byte": "B", "count": ""}
MAX_DIGITS = 20
# What a number may be shown in: its own prefix, every digit, or one prefix for all. Ki, Mi, … are for bytes; what is
# no number of bytes then has the decimal prefix.
SCALES = ("engineering", "exact", *_PREFIXES[1:], *(f"{prefix.upper()}i" for prefix in _PREFIXES[1:9]))


_WRITTEN = re.compile(r"(-?)((?:\d+(?:_\d+)*)?)(?:\.(\d*))?(?:[eE]([+-]?\d+))?([A-Za-z]*)", re.ASCII)
_MAX_WRITTEN = 400  # characters of a number, and its largest exponent


def number(text: str, name: str) -> int | Fraction:
    """The number that somebody wrote for `name`: 2048, 2_048, 2k, 2Ki, 1e6, 0.5. k, M, G, … are powers of 1000, and Ki,
    Mi, Gi, … of 1024. A comma makes a list (`numbers`), never one number.

    >>> number("2Ki", "seq_len"), number("1.5k", "seq_len"), number("0.5", "dtype_bytes")
    (2048, 1500, Fraction(1, 2))

    Raises SymflopsError for what is no number and for a list.
    """
    found = numbers(text, name)
    if len(found) > 1:
        raise SymflopsError(f"{name}: {text.strip()[:60]!r} is a list of {len(found)} numbers; one is wanted here")
    return found[0]


def numbers(text: str, name: str) -> list[int | Fraction]:
    """The numbers of a list with commas, each as `number` reads it.

    >>> numbers("1,8, 2k", "batch_size")
    [1, 8, 2000]

    Raises SymflopsError for what is no number, and for `2,048`, in which nobody can tell a list from one number.
    """
    return [_written(item, name) for item in items(text, name)]


def items(text: str, name: str) -> list[str]:
    """The items of a list with commas."""
    found = [item.strip() for item in text.split(",")]
    if any(re.match(r"0\d", item) for item in found[1:]):
        joined = "".join(found)[:60]
        raise SymflopsError(f"{name}: {text.strip()[:60]!r}: a comma separates numbers; if it is one, write {joined}")
    return found


def _written(text: str, name: str) -> int | Fraction:
    found = _WRITTEN.fullmatch(text)
    if found is None or not (found[2] or found[3]) or found[5] not in FACTORS:
        raise SymflopsError(f"{name}: {text[:60]!r} is not a number; such as 2048, 2_048, 2k, 2Ki or 1e6")
    sign, whole, places, exponent, prefix = found.groups()
    if places == "000" and len(whole) <= 3 and not (exponent or prefix):
        raise SymflopsError(f"{name}: {text[:60]!r}: a point begins decimals; write {whole}, or {whole}000")
    if len(text) > _MAX_WRITTEN or abs(int(exponent or 0)) > _MAX_WRITTEN:
        raise SymflopsError(f"{name}: {text[:30]!r}… is beyond all numbers that are computed with")
    digits = int((whole + (places or "")).replace("_", "") or "0")
    size = digits * Fraction(10) ** (int(exponent or 0) - len(places or "")) * FACTORS[prefix]
    size = -size if sign else size
    return int(size) if size.denominator == 1 else size


def printable(number: int) -> int:
    """The number itself; an error when it exceeds Python's own limit on the digits of an integer."""
    try:
        str(number)
    except ValueError:
        raise SymflopsError(f"a number of {number.bit_length():,} bits is too long to print") from None
    return number


def exact_number(number: int) -> str:
    """Every digit, in groups of three."""
    return f"{printable(number):,}"


def seconds(time: Fraction | float | None) -> str:
    """A time with a unit; nothing for none.

    >>> seconds(Fraction(1, 3)), seconds(0.00012)
    ('333.3 ms', '120 us')
    """
    if time is None:
        return ""
    number = float(time)
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number / 1e-9:.4g} ns"


def separated(number: float, digits: int) -> str:
    """So many significant digits, and all of those before the point.

    >>> separated(12788.3219, 6), separated(2945467.7, 6)
    ('12,788.3', '2,945,468')
    """
    return f"{number:,.{digits}g}" if number < 10**digits - 0.5 else f"{number:,.0f}"


def engineering(number: int, metric: str, digits: int = 4, *, zeros: bool = False) -> str:
    """So many significant digits with a decimal prefix; zeros at their end are left out unless asked for.

    >>> engineering(29_261_612_187_648, "flops"), engineering(999_960, "read_bytes")
    ('29.26 TFLOP', '1 MB')
    """
    noun = _NOUNS[UNITS[metric]]
    if abs(number) < 1000:
        return f"{number} {noun}".rstrip()
    rounded = Context(prec=digits).create_decimal(number)
    scale = rounded.adjusted() // 3
    if scale >= len(_PREFIXES):
        return f"{rounded:.{digits - 1}e} {noun}".rstrip()
    mantissa = rounded.scaleb(-3 * scale)
    return f"{mantissa if zeros else mantissa.normalize():f} {_PREFIXES[scale]}{noun}"


def scaled(number: int, metric: str, scale: str = "engineering", digits: int = 4) -> str:
    """A number in one of `SCALES`. In a fixed one it has no unit (see `unit`) and the whole part is never rounded.

    >>> scaled(29_261_612_187_648, "flops", "G"), scaled(3 * 2**29, "read_bytes", "Gi"), scaled(1234, "flops", "exact")
    ('29,262', '1.500', '1,234')
    """
    if scale == "engineering":
        return engineering(number, metric, digits, zeros=True)
    if scale == "exact":
        return exact_number(number)
    if number < 0:  # of a difference
        return f"-{scaled(-number, metric, scale, digits)}"
    ratio = Fraction(number, _factor(metric, scale))
    whole = len(str(printable(int(ratio)))) if ratio >= 1 else 0
    places = max(0, digits - whole)
    if not whole and ratio:  # 0.000123: digits are counted from the first that is not 0
        places = min(MAX_DIGITS, digits - 1 - Decimal(ratio.numerator / ratio.denominator).adjusted())
    shifted = round(ratio * 10**places)
    text = f"{shifted:0{places + 1}d}"
    return f"{int(text[: len(text) - places]):,}" + (f".{text[len(text) - places :]}" if places else "")


def unit(metric: str, scale: str) -> str:
    """The unit of a column whose cells have none: `GFLOP`, `GiB`; nothing where each number has its own.

    >>> unit("flops", "Gi"), unit("read_bytes", "Gi"), unit("parameters", "M"), unit("flops", "engineering")
    ('GFLOP', 'GiB', 'M', '')
    """
    if scale == "engineering":
        return ""
    if scale == "exact":
        return _NOUNS[UNITS[metric]]
    return f"{_prefix(metric, scale)}{_NOUNS[UNITS[metric]]}"


def _prefix(metric: str, scale: str) -> str:
    if not scale.endswith("i") or UNITS[metric] == "byte":
        return scale
    return "k" if scale == "Ki" else scale[0]


def _factor(metric: str, scale: str) -> int:
    prefix = _prefix(metric, scale)
    if prefix.endswith("i"):
        return int(1024 ** [p.upper() for p in _PREFIXES].index(prefix[0]))
    return int(1000 ** _PREFIXES.index(prefix))
