// What a class of configs computes of what is stated: the rules of the atlas, as symflops/atlas/rules.py computes them.

const MOST_LAYERS = 100000n;

// A whole number divided by another one, rounded down.
function floored(a, b) {
  const whole = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? whole - 1n : whole;
}

const ARITHMETIC = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "//": (a, b) => (typeof a === "bigint" ? floored(a, b) : Math.floor(a / b)),
};

function evaluateRule(rule, fields) {
  if (typeof rule === "string") {
    if (!(rule in fields)) throw new Refusal(`${rule} is not stated`);
    return fields[rule];
  }
  if (typeof rule === "bigint" || typeof rule === "boolean") return rule;
  if (isObject(rule)) return rule.is;
  const [sign, ...operands] = rule;
  if (sign in ARITHMETIC || sign === "/" || sign === "ceil") {
    let [a, b] = operands.map((operand) => numberOf(evaluateRule(operand, fields), operand));
    if (sign === "/" || typeof a !== typeof b) [a, b] = [Number(a), Number(b)];
    if (["/", "//", "ceil"].includes(sign) && b == 0) throw new Refusal(`${operands[1]} is 0`);
    if (sign === "/") return a / b;
    if (sign === "ceil") return typeof a === "bigint" ? -floored(-a, b) : BigInt(Math.ceil(a / b));
    return ARITHMETIC[sign](a, b);
  }
  if (sign === "int") {
    const value = numberOf(evaluateRule(operands[0], fields), operands[0]);
    return typeof value === "bigint" ? value : BigInt(Math.trunc(value));
  }
  if (sign === "if") return evaluateRule(holdsFor(operands[0], fields) ? operands[1] : operands[2], fields);
  if (sign === "spelled") return spelled(evaluateRule(operands[0], fields), operands[1]);
  if (sign === "last") {
    const values = evaluateRule(operands[0], fields);
    if (!Array.isArray(values) || !values.length || BigInt(values.length) > MOST_LAYERS) throw new Refusal(`${operands[0]} is no list of layers`);
    return [...values.slice(0, -1), evaluateRule(operands[1], fields)];
  }
  if (sign === "words") {
    const word = evaluateRule(operands[0], fields);
    if (typeof word !== "string" || !(word in operands[1])) throw new Refusal(`${operands[0]} is a word of which nothing is known`);
    return operands[1][word];
  }
  if (sign === "each") return entriesOf(evaluateRule(operands[0], fields), operands[1]);
  if (sign === "range") {
    const [first, end, step] = operands.map((operand) => wholeOf(operand, fields));
    if (step < 1n || step > MOST_LAYERS || first < 0n || first > MOST_LAYERS || end > MOST_LAYERS) throw new Refusal(`${operands[2]} is ${step}`);
    const found = [];
    for (let i = first; i < end; i += step) found.push(i);
    return found;
  }
  return layersOf(sign, operands, fields);
}

function spelled(text, letters) {
  const known = typeof text === "string" && BigInt(text.length) <= MOST_LAYERS && [...text].every((letter) => letter in letters);
  if (!known) throw new Refusal("a letter of the pattern stands for nothing that is known");
  return [...text].map((letter) => letters[letter]);
}

function entriesOf(values, table) {
  const known = Array.isArray(values) && BigInt(values.length) <= MOST_LAYERS;
  const isKnown = (value) => ["bigint", "string", "boolean"].includes(typeof value) && dumped(value) in table;
  if (!known || !values.every(isKnown)) throw new Refusal("an entry of the list stands for nothing that is known");
  return values.map((value) => table[dumped(value)]);
}

function holdsFor([kind, operand], fields) {
  if (kind === "equals") return same(fields[operand[0]] ?? null, operand[1]);
  const value = fields[operand] ?? null;
  return kind === "given" ? value !== null : isTrue(value);
}

function layersOf(sign, operands, fields) {
  const total = wholeOf(operands[0], fields);
  if (total < 0n || total > MOST_LAYERS) throw new Refusal(`${operands[0]} is ${total}`);
  const places = Array.from({ length: Number(total) }, (_, i) => BigInt(i));
  const each = (k) => evaluateRule(operands[k], fields);
  if (sign === "all") {
    const one = each(1);
    return places.map(() => one);
  }
  if (sign === "head") {
    const some = each(1);
    if (!Array.isArray(some) || BigInt(some.length) < total) throw new Refusal(`${operands[0]} is more than there are`);
    return some.slice(0, Number(total));
  }
  if (sign === "every") {
    const [period, first] = [wholeOf(operands[1], fields), wholeOf(operands[2], fields)];
    if (period < 1n) throw new Refusal(`${operands[1]} is ${period}`);
    const [other, chosen] = [each(3), each(4)];
    return places.map((i) => ((((i + first) % period) + period) % period === 0n ? chosen : other));
  }
  if (sign === "among") {
    const among = each(1);
    const isPlaces = Array.isArray(among) && among.every((place) => typeof place === "bigint");
    if (!isPlaces) throw new Refusal(`${operands[1]} is no list of places`);
    const [other, chosen] = [each(2), each(3)];
    return places.map((i) => (among.includes(i) ? chosen : other));
  }
  if (sign === "from") {
    const limit = wholeOf(operands[1], fields);
    const [before, after] = [each(2), each(3)];
    return places.map((i) => (i >= limit ? after : before));
  }
  throw new Refusal(`unknown rule ${sign}`);
}

function wholeOf(operand, fields) {
  const value = evaluateRule(operand, fields);
  if (typeof value !== "bigint") throw new Refusal(`${operand} is no integer`);
  return value;
}

function numberOf(value, operand) {
  if (!isNumber(value)) throw new Refusal(`${typeof operand === "string" ? operand : "a part of it"} is no number`);
  return value;
}
