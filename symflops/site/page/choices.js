// The choices that a config makes, and the model file of these: symflops/atlas/choices.py and symflops/assumption.py.

const NAME = /^[A-Za-z_]\w*$/;
const LITERAL = /^(?:["[{]|(true|false|null|-\d+)$|-?\d+(\.\d+|e|\.\d+e)[-+\d]*$)/;
const STATEMENT = /^(?:\w+\[i\]( > 1)?|i in \w+|i < (n - )?\w+|i == \w+\.index\("[^",]+"\))$/;
const SIZE_IS = /^(\w+) == (\d+)$/;
const RELATION = /^([A-Za-z_]\w*) (==|!=) ([A-Za-z_]\w*|\d+)$/;

function split(text, sign) {
  const at = text.indexOf(sign);
  return at < 0 ? [text, "", ""] : [text.slice(0, at), sign, text.slice(at + sign.length)];
}

function parsed(text) {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof RangeError) && !(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

// `hidden_act == "silu"` as {name, value}, or undefined.
function factOf(text) {
  const [name, found, literal] = split(text, " == ");
  if (!found || !NAME.test(name) || !LITERAL.test(literal)) return undefined;
  const value = parsed(literal);
  return value === undefined || (value === null && literal !== "null") ? undefined : { name, value };
}

// `layer_types[i] in ["full_attention"]` as {text, statements, seen}, or undefined.
function choiceOf(text) {
  const [said, found, literal] = split(text, "] in [");
  const seen = found ? parsed(`[${literal}`) : undefined;
  if (seen === undefined || seen === null) return undefined;
  const statements = said.startsWith("[") ? said.slice(1).split(", ") : [`${said}]`];
  return statements.every((one) => STATEMENT.test(one)) ? { text, statements, seen } : undefined;
}

function expected(text) {
  const fact = factOf(text);
  if (fact) return [fact.name, dumped(fact.value)];
  const [name, , number] = split(text, " == ");
  return [name, number];
}

// What a text says of a size: that it is a number or another size, or that it is not; undefined for another text.
function relationOf(text) {
  const found = factOf(text) ? null : RELATION.exec(text);
  return found ? { one: found[1], sign: found[2], other: found[3] } : undefined;
}

function isOfSize(text, base) {
  const [name, , value] = split(text, " == ");
  return SIZE_IS.test(text) || (value === "null" && name in (base.symbols ?? Object.create(null)));
}

// The model file of the choices that a config makes, `says` whether it says a fact, `lacks` whether it has no layers of
// a kind that a choice has seen; undefined where some change the same place, or were never made together. `said` are the
// texts that a config says or does not, whatever its sizes are.
function fitting(base, changes, { says, lacks }, said) {
  const lessOf = (change) => (change.lists.assumes ?? [[], []])[0].filter((text) => said.has(text));
  const moreOf = (change) => (change.lists.assumes ?? [[], []])[1].filter((text) => said.has(text));
  // How much of what the first model takes for granted a config breaks, and a change mends.
  const needed = new Map(changes.map((change) => [
    change, lessOf(change).filter((text) => !says(text) || lacks(text)).length + moreOf(change).filter((text) => isOfSize(text, base)).length,
  ]));
  const chosen = [];
  const order = [...changes].sort((a, b) => needed.get(b) - needed.get(a) || moreOf(b).length - moreOf(a).length);
  for (const change of order) {
    const less = lessOf(change);
    const stated = less.filter((text) => text.endsWith(" == null") && isSymbolAfter(split(text, " == ")[0], change));
    if (!needed.get(change) || !moreOf(change).every(says) || stated.some(says)) continue;
    const settled = new Set(chosen.flatMap(lessOf));
    if (!less.some((text) => settled.has(text))) chosen.push(change);
  }
  const places = chosen.map((change) => BigInt(changes.indexOf(change)));
  return areApart(chosen) && wereTogether(base.together ?? [], places) ? combined(base, chosen.reverse()) : undefined;
}

// Whether a field that was nothing is a size of the model after a change.
function isSymbolAfter(name, change) {
  return change.set.some(([path]) => path.length === 2 && path[0] === "symbols" && path[1] === name);
}

// Whether each two of these choices were derived together.
function wereTogether(groups, places) {
  const isIn = (a, b) => groups.some((group) => group.includes(a) && group.includes(b));
  return places.every((a, i) => places.slice(0, i).every((b) => isIn(a, b)));
}

function areApart(changes) {
  const every = changes.map((c) => [...c.gone, ...c.set.map(([path]) => path)]);
  const isWithin = (a, b) => b.length <= a.length && b.every((word, i) => word === a[i]);
  return every.every((some, i) => every.slice(0, i).every((others) => !some.some((a) => others.some((b) => isWithin(a, b) || isWithin(b, a)))));
}

function combined(base, changes) {
  const made = copied(base);
  const inner = (path) => path.slice(0, -1).reduce((data, key) => (data[key] ??= Object.create(null)), made);
  for (const change of changes) {
    for (const path of change.gone) delete inner(path)[path.at(-1)];
    for (const [path, value] of change.set) inner(path)[path.at(-1)] = copied(value);
    for (const [key, [less, more]] of Object.entries(change.lists)) {
      made[key] = [...(made[key] ?? []).filter((one) => !less.some((other) => same(one, other))), ...more];
    }
  }
  return made;
}
