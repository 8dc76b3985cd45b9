// JSON as Python reads it: whole numbers are BigInt and the others doubles, since a config's 1 and 1.0 are two things.
// Objects have no prototype, so that no key of a stranger's file means anything to the language.

const MOST_NESTED = 200;
const MOST_DIGITS = 4300; // of a whole number, as in Python

class Refusal extends RangeError {
  within(place) {
    return new Refusal(`${place}: ${this.message}`);
  }
}

function parseJson(text) {
  let at = 0;
  const fail = (why, where = at) => {
    const before = text.slice(0, where).split("\n");
    throw new Refusal(`not JSON: line ${before.length}, column ${before.at(-1).length + 1}: ${why}`);
  };
  const skip = () => {
    while (at < text.length && " \t\n\r".includes(text[at])) at += 1;
  };
  const number = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
  const words = { true: true, false: false, null: null, NaN, Infinity, "-Infinity": -Infinity };

  function string() {
    const start = at;
    const found = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
    found.lastIndex = at;
    const [whole] = found.exec(text) ?? fail("Unterminated string starting at", start);
    at += whole.length;
    return JSON.parse(whole);
  }

  function value(depth) {
    if (depth > MOST_NESTED) throw new Refusal("nested too deeply");
    skip();
    const sign = text[at];
    if (sign === "{") return members(depth);
    if (sign === "[") return items(depth);
    if (sign === '"') return string();
    for (const [word, meant] of Object.entries(words)) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meant;
      }
    }
    number.lastIndex = at;
    const found = number.exec(text) ?? fail("Expecting value");
    at += found[0].length;
    if (found[1] !== undefined || found[2] !== undefined) return Number(found[0]);
    if (found[0].length > MOST_DIGITS) throw new Refusal("not JSON: an integer of more than 4,300 digits");
    return BigInt(found[0]);
  }

  function members(depth) {
    const made = Object.create(null);
    at += 1;
    skip();
    if (text[at] === "}") at += 1;
    else {
      for (;;) {
        skip();
        if (text[at] !== '"') fail("Expecting property name enclosed in double quotes");
        const key = string();
        skip();
        if (text[at] !== ":") fail("Expecting ':' delimiter");
        at += 1;
        if (key in made) throw new Refusal(`key ${quoted(key)} occurs twice`);
        made[key] = value(depth + 1);
        skip();
        if (text[at] === "}") break;
        if (text[at] !== ",") fail("Expecting ',' delimiter");
        at += 1;
      }
      at += 1;
    }
    return made;
  }

  function items(depth) {
    const made = [];
    at += 1;
    skip();
    if (text[at] === "]") at += 1;
    else {
      for (;;) {
        made.push(value(depth + 1));
        skip();
        if (text[at] === "]") break;
        if (text[at] !== ",") fail("Expecting ',' delimiter");
        at += 1;
      }
      at += 1;
    }
    return made;
  }

  const found = value(0);
  skip();
  if (at < text.length) fail("Extra data");
  return found;
}

// ------------------------------------------------------------------------------------------- kinds of values, as Python has

const isObject = (x) => typeof x === "object" && x !== null && !Array.isArray(x) && Object.getPrototypeOf(x) === null;
const isNumber = (x) => typeof x === "bigint" || typeof x === "number";
const isTrue = (x) => {
  if (Array.isArray(x)) return x.length > 0;
  return isObject(x) ? Object.keys(x).length > 0 : Boolean(x);
};

function copied(x) {
  if (Array.isArray(x)) return x.map(copied);
  if (!isObject(x)) return x;
  const made = Object.create(null);
  for (const key of Object.keys(x)) made[key] = copied(x[key]);
  return made;
}

// Whether two values are equal: 1, 1.0 and true are, as in Python.
function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => same(x, b[i]));
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => key in b && same(a[key], b[key]));
  }
  const plain = (x) => (typeof x === "boolean" ? Number(x) : x);
  if ((isNumber(a) || typeof a === "boolean") && (isNumber(b) || typeof b === "boolean")) return plain(a) == plain(b); // a BigInt and a double, too
  return a === b;
}

// A double as Python writes it: 1e-05, 1000000.0.
function double(x) {
  if (Number.isInteger(x) && Math.abs(x) < 1e16) return Object.is(x, -0) ? "-0.0" : `${x}.0`;
  const [digits, exponent] = x.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 16) {
    if (!String(x).includes("e")) return String(x);
    return x.toFixed(-power + (digits.replace(/^-?\d\.?/, "").length));
  }
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

const escaped = (text) => JSON.stringify(text).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

// JSON with sorted keys, as Python dumps it. Throws for what is none.
function dumped(x) {
  if (x === null || typeof x === "boolean") return String(x);
  if (typeof x === "string") return escaped(x);
  if (typeof x === "bigint") return String(x);
  if (typeof x === "number" && Number.isFinite(x)) return double(x);
  if (Array.isArray(x)) return `[${x.map(dumped).join(", ")}]`;
  if (!isObject(x)) throw new TypeError("no JSON");
  return `{${Object.keys(x).sort().map((key) => `${escaped(key)}: ${dumped(x[key])}`).join(", ")}}`;
}

// A text in quotes as Python's repr has it.
function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\\n\r\t]/g, (c) => ({ "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" })[c]);
  return quote + (quote === "'" ? body.replace(/'/g, "\\'") : body) + quote;
}

// Text of unknown origin on one line, long middles cut.
function oneLine(text, limit = 400) {
  const shown = (c) => (c === "\n" ? "\\n" : c === "\r" ? "\\r" : c === "\t" ? "\\t" : c.codePointAt(0) < 256 ? `\\x${c.codePointAt(0).toString(16).padStart(2, "0")}` : `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);
  const line = [...text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, shown)];
  return line.length <= limit ? line.join("") : `${line.slice(0, limit - 40).join("")} … ${line.slice(-36).join("")}`;
}
