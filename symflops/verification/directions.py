"""Directions in which symbols grow, and whether a share persists along one: what shows that leading terms differ.

A share that vanishes falls to almost nothing between the smallest and the largest size that are looked at, however
slowly it falls; one that persists stays as it is. Directions that make remainders 0 and those along which the reference
is almost 0 are looked at, too, since there the share is the largest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice, pairwise, permutations, product

from symflops import deadline
from symflops.algebra import free_symbols, substitute
from symflops.polynomial import Number, Polynomial, Value, terms_of
from symflops.verification.exact import Enclosure, UndefinedError, number_at
from symflops.verification.points import Point, Search
from symflops.verification.region import Region
from symflops.vocabulary.symbols import is_whole

SIZES = tuple(720720 * 2**n for n in (16, 40, 180))  # of symbols that grow; most remainders are 0
_ODD_SIZES = (2**24 + 43, 2**48 + 21, 2**192 + 133)  # at which remainders are not 0
_SMALL_SIZES = (2**8 + 1, 2**10 + 7, 2**12 + 3)  # where they are exponents
_ROOT_SIZES = (2**24 + 43, 2**48 + 21, 2**96 + 61)
_FAST = 8  # the power of a size, for a symbol that grows faster
_PERSISTS = Fraction(9, 10)  # how much of a share is left between sizes if it does not vanish
_DIRECTIONS = 400  # looked at, at most
_ROOTS = 24  # directions in which each symbol is moved to make the reference 0, at most
_ENDS = 4  # bounded symbols of which every choice of least and largest value is looked at
_BYTES = (2, 1, Fraction(1, 2))  # of an element
_LADDER = (1, 2, 3, 4, 6, 8, 16)  # powers of a size between which the reference changes its sign


def grown(search: Search, region: Region, size: int) -> Iterator[Point]:
    """Points of a region at which its symbols are large, all alike or some much larger than others."""
    used = sorted(set().union(*(free_symbols(region.names[n]) for n in search.names)))
    free = [n for n in used if n not in region.upper]
    offsets = _offsets(region)
    for large in _sizes(free, size):
        for ends in _ends(region.upper, used):
            for shift in (0, 1):  # original symbols of a size, or new ones
                inside = {n: max(v - shift * offsets.get(n, 0), 0) for n, v in large.items() if is_whole(n)}
                for number in _BYTES if len(inside) < len(large) else (2,):
                    point = _placed(search, region, {**dict.fromkeys(large, number), **inside, **ends})
                    if point is not None:
                        yield point
                if not offsets:
                    break


def _sizes(free: Sequence[str], size: int) -> Iterator[dict[str, int]]:
    powers = [dict.fromkeys(free, 1), *({n: _FAST if n == name else 1 for n in free} for name in free)]
    powers += [{n: 1 if n == name else _FAST for n in free} for name in free]
    if len(free) <= 3:
        powers += [dict(zip(free, some, strict=True)) for some in product((1, 3, _FAST), repeat=len(free))]
    if len(free) <= 4:
        powers += [dict(zip(order, (1, 2, 3, 5), strict=False)) for order in permutations(free)]
    for exponents in dict.fromkeys(tuple(p.items()) for p in powers):
        yield {n: size**e for n, e in exponents}
    for name in free:
        for few in (0, 1, 3):
            yield {n: few if n == name else size for n in free}
    for name in free:
        yield {n: 2 * size if n == name else size for n in free}
        yield {n: size * size + 1 if n == name else size for n in free}


def _ends(upper: Mapping[str, Number], used: Sequence[str]) -> list[dict[str, Number]]:
    """Bounded symbols at their least and largest values."""
    bounded = [n for n in used if n in upper]
    if len(bounded) > _ENDS:
        return [{n: upper[n] for n in bounded}, dict.fromkeys(bounded, 0)]
    choices = [dict.fromkeys((upper[n], 0, *([1] if upper[n] > 1 else []))) for n in bounded]
    return [dict(zip(bounded, numbers, strict=True)) for numbers in product(*choices)]


def _offsets(region: Region) -> dict[str, int]:
    """Of new symbols that are an original one less a number, that number."""
    found: dict[str, int] = {}
    for value in region.names.values():
        terms = terms_of(value)
        if len(terms) == 2 and () in terms and type(terms[()]) is int:
            ((name, exponent), *others), c = next((m, c) for m, c in terms.items() if m)
            if not others and exponent == c == 1:
                found[name] = terms[()]
    return found


def _placed(search: Search, region: Region, inside: Mapping[str, Value]) -> Point | None:
    """The original symbols where those of a region have these numbers."""
    point: Point = {}
    for name in search.names:
        number = substitute(region.names[name], inside)
        if isinstance(number, Polynomial):
            return None
        point[name] = number
    return point


def persists(search: Search, start: Region, growing: Sequence[str]) -> bool:
    """Whether along some direction the share of the difference in the reference does not become smaller."""
    seen = False
    for sizes in (SIZES, _ODD_SIZES, _SMALL_SIZES):
        if seen and sizes == _SMALL_SIZES:
            break
        for points in zip(*(islice(grown(search, start, size), _DIRECTIONS) for size in sizes), strict=True):
            if any(min(p[n] for n in growing) < size for p, size in zip(points, sizes, strict=True)):
                continue
            shares = [_share(search, point) for point in points]
            seen = seen or shares[-1] is not None
            if _stays(shares, sizes):
                return True
    return seen and _persists_at_roots(search, start, growing)


def _stays(shares: Sequence[Fraction | None], sizes: Sequence[int]) -> bool:
    """Whether shares at growing sizes stay as they are; not where they jump up from next to nothing."""
    known = [share for share in shares if share is not None]
    if len(known) < len(shares) or not all(known):
        return False
    return known[-1] >= min(known[:-1]) * _PERSISTS and known[-1] ** 2 * sizes[-1] > 1


def _share(search: Search, point: Point) -> Fraction | None:
    """The difference as a share of the reference at a point of the domain; None where there is none."""
    deadline.check()
    if search.completion.of(point) is None:
        return None
    numbers = [_number(search, i, point) for i in (0, 1)]
    if numbers[0] is None or numbers[1] is None:
        return None
    first, second = numbers[0], numbers[1]
    if not second:
        return None if not first else Fraction(10**30)
    return abs((first - second) / second)


def _number(search: Search, side: int, point: Point) -> Fraction | None:
    try:
        number = number_at(search.trees[side], point)
    except UndefinedError:
        return None
    return Fraction(number.low if isinstance(number, Enclosure) else number)


# ------------------------------------------------------------------------------------------------------------- roots


def _persists_at_roots(search: Search, start: Region, growing: Sequence[str]) -> bool:
    """The same along curves on which the reference is almost 0: where its sign changes while one symbol moves."""
    used = sorted(set().union(*(free_symbols(start.names[n]) for n in search.names)))
    moving = [n for n in used if n not in start.upper and is_whole(n)]  # bytes stay what they are
    for name, pattern in product(moving, range(_ROOTS)):
        shares: list[Fraction | None] = []
        for size in _ROOT_SIZES:
            base = next(islice(_bases(start, used, moving, size), pattern, None), None)
            if base is None:
                break
            shares.append(_share_at_root(search, start, base, name, size, growing))
            if not shares[-1]:
                break
        if len(shares) == len(_ROOT_SIZES) and _stays(shares, _ROOT_SIZES):
            return True
    return False


def _bases(start: Region, used: Sequence[str], moving: Sequence[str], size: int) -> Iterator[dict[str, Number]]:
    for ends in _ends(start.upper, used):
        for large in islice(_sizes(moving, size), 1 + 2 * len(moving)):
            yield {**dict.fromkeys(used, 2), **large, **ends}


def _share_at_root(
    search: Search, start: Region, base: Mapping[str, Value], name: str, size: int, growing: Sequence[str]
) -> Fraction | None:
    """The largest share beside a place where the reference changes its sign, as one symbol of a region moves."""

    def at(number: int) -> Point | None:
        return _placed(search, start, {**base, name: number})

    def is_positive(number: int) -> bool | None:
        point = at(number)
        value = _number(search, 1, point) if point is not None else None
        return None if value is None else value > 0

    signs = [(size**e, is_positive(size**e)) for e in _LADDER]
    for (low, first), (high, second) in pairwise(signs):
        if first is None or second is None or first == second:
            continue
        while high - low > 1:
            deadline.check()
            middle = (low + high) // 2
            sign = is_positive(middle)
            if sign is None:
                return None
            low, high = (middle, high) if sign == first else (low, middle)
        found = []
        for number in (low, high):
            point = at(number)
            if point is not None and min(point[n] for n in growing) >= size:
                share = _share(search, point)
                found += [share] if share is not None else []
        return max(found, default=None)
    return None
