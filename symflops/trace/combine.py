"""Several records of one model become one: layer by layer, a closed form for each metric.

A cost whose source loops over time is recorded at several lengths (`interpolation.py`). A model with recurrent state
runs otherwise when the state is filled, and `past_len` tells which (`switched`); and one token may be a step of its
own, or a convolution want more positions than there are (`with_short`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from fractions import Fraction

from symflops.algebra import free_symbols, substitute
from symflops.function import maximum, minimum
from symflops.gradients import KEYS, TABLES
from symflops.numeric import evaluate
from symflops.polynomial import Value, add, divide, multiply, negate, symbol, terms_of
from symflops.trace.layer_data import Data, as_value, cost_data, step_costs, text
from symflops.vocabulary.metrics import ARITHMETIC, OWNED, of_each

Leaves = dict[tuple[str, ...], Data]


def leaves(layers: Data, path: tuple[str, ...] = ()) -> Leaves:
    """The basic layers by path, in order."""
    found: Leaves = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            found |= leaves(data["sub_layers"], (*path, name))
        else:
            found[(*path, name)] = data
    return found


def heads(layers: Data, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Data]:
    """What composite layers are beside their parts, by path: their classes, and what they keep for the next call."""
    found: dict[tuple[str, ...], Data] = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            found[(*path, name)] = {key: data[key] for key in ("class", "state", "output_bytes") if key in data}
            found |= heads(data["sub_layers"], (*path, name))
    return found


def costs(data: Data | None) -> dict[str, Value]:
    """Each metric of a basic layer; of one that is missing in a record, 0."""
    return of_each(lambda _: 0) if data is None else step_costs(data)


class Calls(Enum):
    """What becomes of calls of one formula with different arguments."""

    METRICS = "each metric is joined"
    ARGUMENTS = "each argument is joined, which keeps them a call"
    EITHER = "each argument, where that gives what the joined metrics are"


def combined(records: Sequence[Data], join: Callable[[list[Value]], Value], calls: Calls = Calls.METRICS) -> Data:
    """One tree of layers; `join` makes one value of those that the records have, where they differ."""
    records = _with_one_state(records, last=True)
    return _combined([leaves(record) for record in records], _heads(records), join, calls)


def computes_the_same(usual: Data, record: Data, lengths: Mapping[str, Value]) -> bool:
    """Whether a record for any call gives, module by module, the arithmetic of one that was recorded at these lengths.
    What `causal` does not switch in the usual one it does not switch in the other."""
    ours, theirs = _arithmetic(leaves(usual)), _arithmetic(leaves(record))
    for module in ours.keys() | theirs.keys():
        for before, after in zip(ours.get(module, (0, 0)), theirs.get(module, (0, 0)), strict=True):
            other = after if "causal" in free_symbols(before) else substitute(after, {"causal": 0})
            if not _same(substitute(before, lengths), other):
                return False
    return True


def _arithmetic(tree: Leaves) -> dict[tuple[str, ...], tuple[Value, ...]]:
    """What each module computes itself: a step that is left out may give its name to another one."""
    found: dict[tuple[str, ...], tuple[Value, ...]] = {}
    for path, data in tree.items():
        row, before = costs(data), found.get(path[:-1], (0, 0))
        found[path[:-1]] = tuple(add(b, row[metric]) for b, metric in zip(before, ARITHMETIC, strict=True))
    return found


def at_least_0(layers: Data, calls: Sequence[Mapping[str, Value]]) -> Data:
    """The layers, with 0 in place of bytes that are negative in some calls, as of copies of all pieces but the first
    where there is none."""

    def mended(of: int | str) -> int | str:
        value = as_value(of)
        sizes: dict[str, Value] = dict.fromkeys(free_symbols(value), 97)
        negative = any(evaluate(value, {**sizes, **call}) < 0 for call in calls)  # type: ignore[dict-item]  # all ints
        return text(maximum(value, 0)) if negative else of

    found = {}
    for name, data in layers.items():
        if "sub_layers" in data:
            found[name] = {**data, "sub_layers": at_least_0(data["sub_layers"], calls)}
        elif "cost" in data:
            found[name] = {**data, "cost": {metric: mended(of) for metric, of in data["cost"].items()}}
        else:
            found[name] = data
    return found


class _DifferentError(Exception):
    """A cost at a length is not what the closed form gives there."""


def agrees(many: Data, records: Mapping[int, Data]) -> bool:
    """Whether a record for any seq_len gives at each of these lengths, layer by layer, what was recorded there."""

    def join(values: list[Value]) -> Value:
        form, *others = values
        if any(substitute(form, {"seq_len": n}) != v for n, v in zip(records, others, strict=True)):
            raise _DifferentError
        return form

    try:
        combined([many, *records.values()], join)
    except _DifferentError:
        return False
    return True


def equal(record: Data, other: Data) -> bool:
    """Whether two records say the same of every layer, of its backward, too."""
    ours, theirs = leaves(record), leaves(other)

    def said(data: Data | None) -> tuple[dict[str, Value], Data]:
        return costs(data), {} if data is None else {table: data[table] for table in TABLES if table in data}

    same = all(said(ours.get(path)) == said(theirs.get(path)) for path in ours.keys() | theirs.keys())
    return same and heads(record) == heads(other)


def _with_one_state(records: Sequence[Data], last: bool) -> list[Data]:
    """Records of which one says what is kept for the next call: another one may say the same of the module that wrote
    it there, which need not be the same. It is the last that says anything; or, of prompts and single tokens, the first
    of those that say it of most modules: a prompt may overwrite what a token reads, and not show that it is kept."""
    said = [sum("state" in d for d in (heads(record) | leaves(record)).values()) for record in records]
    saying = [i for i, modules in enumerate(said) if modules]
    keeper = 0 if not saying else saying[-1] if last else said.index(max(said))
    return [record if i == keeper else _without_state(record) for i, record in enumerate(records)]


def _without_state(layers: Data) -> Data:
    found = {name: {k: v for k, v in data.items() if k != "state"} for name, data in layers.items()}
    return {
        name: data | {"sub_layers": _without_state(data["sub_layers"])} if "sub_layers" in data else data
        for name, data in found.items()
    }


def _heads(records: Sequence[Data]) -> dict[tuple[str, ...], Data]:
    """Those of all records: a class as the first says, and a state as the last does, in which there is one."""
    found: dict[tuple[str, ...], Data] = {}
    for record in records:
        for path, head in heads(record).items():
            before = found.get(path, {})
            found[path] = before | head | ({"class": before["class"]} if "class" in before else {})
    return found


def _combined(
    trees: Sequence[Leaves],
    composites: Mapping[tuple[str, ...], Data],
    join: Callable[[list[Value]], Value],
    calls: Calls = Calls.METRICS,
) -> Data:
    result: Data = {}
    joined: dict[str, Data] = {}  # repeated layers are equal, and joined once
    for path in _merged([list(tree) for tree in trees]):
        group = [tree.get(path) for tree in trees]
        key = json.dumps(group)
        if key not in joined:
            joined[key] = _joined(group, join, calls)
        _put(result, path, joined[key], composites)
    return result


def _joined(group: list[Data | None], join: Callable[[list[Value]], Value], calls: Calls) -> Data:
    first = next(data for data in group if data is not None)
    if all(data == first for data in group):
        return first
    tables = _tables(group, join)
    kept = tables | next(({"state": d["state"]} for d in reversed(group) if d is not None and "state" in d), {})
    ours = ("args", "cost", "state", *TABLES)
    heads = [{k: v for k, v in data.items() if k not in ours} if data else None for data in group]
    keys = [list(data["args"]) if data and "args" in data else None for data in group]
    call: Data = {}
    if calls is not Calls.METRICS and all(h == heads[0] for h in heads) and keys[0] and all(k == keys[0] for k in keys):
        args = {k: text(join([as_value(data["args"][k]) for data in group if data])) for k in keys[0]}
        call = {**heads[0], "args": args}  # type: ignore[dict-item]  # no head is None: one is data
    if call and calls is Calls.ARGUMENTS:
        return call | kept
    rows = [costs(data) for data in group]

    def together(metric: str) -> Value:
        column = [row[metric] for row in rows]
        # What a model owns does not depend on how it is called: the first record says where.
        return column[0] if metric in OWNED or len(set(column)) == 1 else join(column)

    joined = of_each(together)
    for data, row in zip(group, rows, strict=True):
        if data is not None and row == joined:  # one record's call of a formula is right for all
            return data | kept
    if call and costs(call) == joined:
        return call | kept
    head = {"class": first["class"]} if "class" in first else {}
    return {**head, **cost_data(joined)} | kept


def _tables(group: list[Data | None], join: Callable[[list[Value]], Value]) -> Data:
    """What the records say of the backward, where they do; one in which a layer is missing says 0."""
    found: Data = {}
    for table in TABLES:
        if any(data is not None and table in data for data in group):
            rows = [{} if data is None else data.get(table, {}) for data in group]
            columns = {key: [as_value(row.get(key, 0)) for row in rows] for key in KEYS}
            found[table] = {key: text(c[0] if len(set(c)) == 1 else join(c)) for key, c in columns.items()}
    return found


def _merged(orders: list[list[tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """All paths, each record's own after the one that precedes it there."""
    result = list(sorted(orders, key=len)[-1])
    there = set(result)
    for order in orders:
        for i, path in enumerate(order):
            if path not in there:
                result.insert(result.index(order[i - 1]) + 1 if i else 0, path)
                there.add(path)
    return result


def _put(layers: Data, path: tuple[str, ...], data: Data, composites: Mapping[tuple[str, ...], Data]) -> None:
    for depth in range(1, len(path)):
        head = composites.get(path[:depth], {})
        layers = layers.setdefault(path[depth - 1], head | {"sub_layers": {}})["sub_layers"]
    layers[path[-1]] = data


# ------------------------------------------------------------------------------------------------------- recurrence


def switched(fresh: Data, continued: Data) -> Data:
    """`fresh` where past_len is 0 and `continued` where it is not: fresh + min(past_len, 1)*(continued - fresh)."""
    some = minimum(symbol("past_len"), 1)

    def join(pair: list[Value]) -> Value:
        first, later = pair
        if _same(substitute(later, {"past_len": 0}), first):
            return later
        return add(first, multiply(some, add(later, negate(first))))

    return combined([fresh, continued], join)


def with_short(many: Data, one: Data, two: Data | None = None, limit: Value = 0) -> Data:
    """`many` with a case for one token: many + max(2 - seq_len, 0)*(one - many at 1), in the modules that compute
    something else then; where no arithmetic differs, the record of many tokens stands for all lengths.

    Where all below a `limit` are filled up to it, as for a convolution with a kernel of that size, each token that is
    missing costs the same, and `two` tokens show it: many + (max(seq_len, limit) - seq_len)*(what one costs).
    """
    many, one, *more = _with_one_state([many, one] if two is None else [many, one, two], last=False)
    before, after = leaves(many), leaves(one)

    def differs(path: tuple[str, ...]) -> bool:
        usual, step = costs(before.get(path)), costs(after.get(path))
        return not all(_same(_at(usual[metric], 1), step[metric]) for metric in ARITHMETIC)

    others = {path[:-1] for path in before.keys() | after.keys() if differs(path)}
    if not others:
        return many
    length = symbol("seq_len")

    def join(values: list[Value]) -> Value:
        first, *short = values
        beyond = [add(v, negate(_at(first, n))) for n, v in enumerate(short, 1)]
        if all(_same(v, _at(first, n)) for n, v in enumerate(short, 1)):
            return first
        each = _quotient(beyond[0], add(limit, -1)) if len(beyond) > 1 else None
        if each is not None and beyond[1] == multiply(each, add(limit, -2)):
            return add(first, multiply(each, add(maximum(length, limit), negate(length))))
        return add(first, multiply(maximum(add(2, negate(length)), 0), beyond[0]))

    short = [after, *map(leaves, more)]
    shown = [{path: t[path] for path in t if path[:-1] in others} for t in short]
    same = {path: data for path, data in before.items() if path[:-1] not in others}
    return _combined([before, *(same | t for t in shown)], _heads([many, one, *more]), join)


def _same(value: Value, other: Value) -> bool:
    """Whether two values are equal where every size is at least 1, so that min(0, sliding_window - 1) is 0."""
    sizes = (free_symbols(value) | free_symbols(other)) - {"past_len", "causal"}
    larger: dict[str, Value] = {name: add(symbol(name), 1) for name in sizes}
    return value == other or substitute(value, larger) == substitute(other, larger)


def _at(value: Value, length: Value) -> Value:
    return substitute(value, {"seq_len": length})


def _quotient(value: Value, by: Value) -> Value | None:
    """value/by where that is a polynomial with whole coefficients; `by` is a symbol and a number, or a number."""
    quotient: Value
    if names := free_symbols(by):
        (name,) = names
        other = symbol("_limit")  # in place of `by`
        shift = add(symbol(name), negate(by))
        if free_symbols(shift):
            return None
        shifted = divide(substitute(value, {name: add(other, shift)}), other)
        if any(exponent < 0 for monomial in terms_of(shifted) for atom, exponent in monomial if atom == "_limit"):
            return None
        quotient = substitute(shifted, {"_limit": by})
    else:
        quotient = divide(value, by)
    return quotient if all(Fraction(c).denominator == 1 for c in terms_of(quotient).values()) else None
