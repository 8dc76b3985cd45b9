// Closed forms with the config's numbers put in: sums of products of symbols with exact coefficients. A program is run in
// them as it is run in numbers; what is no product (min, floor, a power that depends on a symbol) is an atom.

const KEY = " ";

class Polynomial {
  // `terms` are {coefficient, powers: Map of atoms' texts to exponents} by the text of their powers.
  constructor(terms = new Map()) {
    this.terms = terms;
  }

  static number(x) {
    return new Polynomial(x === 0n ? new Map() : new Map([["", { coefficient: x, powers: new Map() }]]));
  }

  static atom(text, atom) {
    ATOMS.set(text, atom);
    return Polynomial.of([{ coefficient: 1n, powers: new Map([[text, 1n]]) }]);
  }

  static of(terms) {
    const found = new Map();
    for (const { coefficient, powers } of terms) {
      const kept = new Map([...powers].filter(([, power]) => power !== 0n).sort(([a], [b]) => (a < b ? -1 : 1)));
      const key = [...kept].map(([name, power]) => `${name}^${power}`).join(KEY);
      const sum = plus(found.get(key)?.coefficient ?? 0n, coefficient);
      if (sum === 0n) found.delete(key);
      else found.set(key, { coefficient: sum, powers: kept });
    }
    return new Polynomial(found);
  }

  get list() {
    return [...this.terms.values()];
  }

  plus(other) {
    return Polynomial.of([...this.list, ...other.list]);
  }

  times(other) {
    const products = this.list.flatMap((a) =>
      other.list.map((b) => {
        const powers = new Map(a.powers);
        for (const [name, power] of b.powers) powers.set(name, (powers.get(name) ?? 0n) + power);
        return { coefficient: times(a.coefficient, b.coefficient), powers };
      }),
    );
    return Polynomial.of(products);
  }

  // The number that it is; undefined if it depends on something.
  constant() {
    if (!this.terms.size) return 0n;
    return this.terms.size === 1 ? this.terms.get("")?.coefficient : undefined;
  }

  power(exponent) {
    if (this.terms.size === 1) {
      const [{ coefficient, powers }] = this.list;
      const raisedTo = exponent < 0n ? quotient(1n, raised(coefficient, -exponent)) : raised(coefficient, exponent);
      return Polynomial.of([{ coefficient: raisedTo, powers: new Map([...powers].map(([name, power]) => [name, power * exponent])) }]);
    }
    if (exponent < 0n || exponent > 4n) return atomOf("^", [this, Polynomial.number(exponent)]);
    let made = Polynomial.number(1n);
    for (let i = 0n; i < exponent; i += 1n) made = made.times(this);
    return made;
  }

  // The symbols that it depends on, in its atoms too.
  names() {
    const found = new Set();
    for (const { powers } of this.list) {
      for (const text of powers.keys()) {
        const { operands } = ATOMS.get(text);
        if (operands) for (const operand of operands) for (const name of operand.names()) found.add(name);
        else found.add(text);
      }
    }
    return found;
  }

  isProportionalTo(name) {
    return this.list.every(({ powers }) => powers.get(name) === 1n && [...powers.keys()].every((text) => text === name || !nameOfAtom(text).has(name)));
  }

  // The one atom that it is, if it is one.
  onlyAtom() {
    if (this.terms.size !== 1) return undefined;
    const [{ coefficient, powers }] = this.list;
    const [[text, power]] = powers.size === 1 ? [...powers] : [[undefined]];
    return coefficient === 1n && power === 1n ? ATOMS.get(text) : undefined;
  }

  text() {
    return printed(this, TEXT);
  }
}

const ATOMS = new Map();

const nameOfAtom = (text) => new Set(ATOMS.get(text).operands?.flatMap((operand) => [...operand.names()]) ?? [text]);

function atomOf(operation, operands) {
  const order = operation === "min" || operation === "max" ? [...operands].sort((a, b) => (a.text() < b.text() ? -1 : 1)) : operands;
  return Polynomial.atom(`${operation}(${order.map((operand) => operand.text()).join(", ")})`, { operation, operands: order });
}

const exactly = (operation) => (...operands) => {
  const numbers = operands.map((operand) => operand.constant());
  return numbers.every((x) => x !== undefined) ? Polynomial.number(EXACT[operation](...numbers)) : atomOf(operation, operands);
};

// Whether one form is at least another one wherever symbols are not negative, as far as its terms show.
function isAtLeast(a, b) {
  const gap = a.plus(b.times(Polynomial.number(-1n)));
  return gap.list.every(({ coefficient, powers }) => numerator(coefficient) > 0n && [...powers].every(([text, power]) => power > 0n && !ATOMS.get(text).operands));
}

// The least or the greatest of some forms, without those of which another one is known to be.
const extreme = (operation, isBeyond) => (...operands) => {
  const kept = operands.filter((one, i) => !operands.some((other, k) => k !== i && isBeyond(one, other) && (k < i || !isBeyond(other, one))));
  return kept.length === 1 ? kept[0] : exactly(operation)(...kept);
};

const SYMBOLIC = {
  number: (n, d) => Polynomial.number(EXACT.number(n, d)),
  "+": (...terms) => Polynomial.of(terms.flatMap((term) => term.list)),
  "*": (...factors) => factors.reduce((a, b) => a.times(b)),
  "-": (a) => a.times(Polynomial.number(-1n)),
  "/": (a, b) => (b.terms.size === 1 ? a.times(b.power(-1n)) : exactly("/")(a, b)),
  "^": (a, b) => a.power(b.constant()),
  "**": exactly("**"),
  min: extreme("min", (one, other) => isAtLeast(one, other)),
  max: extreme("max", (one, other) => isAtLeast(other, one)),
  floor: exactly("floor"),
  ceil: exactly("ceil"),
  sqrt: exactly("sqrt"),
  log2: exactly("log2"),
};

// A step of a program as a closed form in its symbols.
function polynomialOf({ steps }, place) {
  const order = needed(steps, [place]);
  const symbols = Object.create(null);
  for (const i of order) if (typeof steps[i] === "string") symbols[steps[i]] = Polynomial.atom(steps[i], {});
  return run(steps, order, symbols, SYMBOLIC)[place];
}

// ------------------------------------------------------------------------------------------------------------ as a text

// The order of symbols in a product: as in the tables, what is no symbol of a call first.
const rankOf = (name) => Object.keys(LIBRARY.run).indexOf(name);
const inOrder = (powers) => [...powers].sort(([a], [b]) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1));

const sizeOf = (x) => (numerator(x) < 0n ? negative(x) : x);

// A closed form in some notation: `style` says how numbers, symbols, products, sums and functions are written. With
// `isFactored`, what several terms have in common is taken out of them.
function printed(polynomial, style, isFactored = false) {
  if (!polynomial.terms.size) return style.number(0n);
  const terms = polynomial.list.sort((a, b) => b.powers.size - a.powers.size);
  return style.sum(isFactored ? shared(terms, style) : terms.map((term) => written(term, style, isFactored)));
}

// The terms of a sum as texts, those with a factor in common as one.
function shared(terms, style) {
  const counts = new Map();
  for (const { powers } of terms) for (const [name, power] of powers) if (power > 0n) counts.set(name, (counts.get(name) ?? 0) + 1);
  const [most] = inOrder([...counts]).sort(([, a], [, b]) => b - a);
  if (!most || most[1] < 2) return terms.map((term) => written(term, style, true));
  const [name] = most;
  const powerOf = ({ powers }) => powers.get(name) ?? 0n;
  const [inside, rest] = [terms.filter((term) => powerOf(term) > 0n), terms.filter((term) => powerOf(term) <= 0n)];
  const power = inside.map(powerOf).reduce((a, b) => (b < a ? b : a));
  const content = contentOf(inside);
  const inner = inside.map(({ coefficient, powers }) => {
    const left = new Map(powers).set(name, powers.get(name) - power);
    return { coefficient: quotient(coefficient, content), powers: new Map([...left].filter(([, p]) => p !== 0n)) };
  });
  const factors = [...(content === 1n ? [] : [style.number(content)]), raisedIn(style, [name, power], true)];
  const body = shared(inner, style);
  // A sum of one term is a product, and its factors go on.
  factors.push(body.length === 1 && !body[0].isLess ? body[0].body : style.inside(style.sum(body)));
  return [{ isLess: false, body: style.product(factors) }, ...(rest.length ? shared(rest, style) : [])];
}

// The greatest whole number that divides all coefficients; 1 where one is a fraction.
function contentOf(terms) {
  let common = 0n;
  for (const { coefficient } of terms) {
    if (denominator(coefficient) !== 1n) return 1n;
    let [a, b] = [common, coefficient < 0n ? -coefficient : coefficient];
    while (b) [a, b] = [b, a % b];
    common = a;
  }
  return common;
}

function written({ coefficient, powers }, style, isFactored) {
  const above = inOrder(powers).filter(([, power]) => power > 0n);
  const below = inOrder(powers).filter(([, power]) => power < 0n).map(([name, power]) => [name, -power]);
  const size = reduced(sizeOf(coefficient));
  const factors = above.map((factor) => raisedIn(style, factor, isFactored));
  if (size.n !== 1n || !factors.length) factors.unshift(style.number(size.n));
  const divisors = below.map((factor) => raisedIn(style, factor, isFactored));
  if (size.d !== 1n) divisors.unshift(style.number(size.d));
  const product = style.product(factors);
  const body = divisors.length ? style.over(product, style.product(divisors), divisors.length > 1) : product;
  return { isLess: numerator(coefficient) < 0n, body };
}

function raisedIn(style, [text, power], isFactored) {
  const { operation, operands } = ATOMS.get(text);
  const base = operation ? style.call(operation, operands.map((operand) => printed(operand, style, isFactored))) : style.symbol(text);
  return power === 1n ? base : style.power(base, style.number(power));
}

const CALLS = { "/": (a, b) => `(${a})/(${b})`, "**": (a, b) => `(${a})**(${b})`, "^": (a, b) => `(${a})**(${b})` };

const TEXT = {
  number: String,
  symbol: (name) => name,
  product: (factors) => factors.join("*"),
  over: (a, b, several) => `${a}/${several ? `(${b})` : b}`,
  inside: (a) => `(${a})`,
  power: (a, b) => `${a}**${b}`,
  call: (operation, operands) => (CALLS[operation] ? CALLS[operation](...operands) : `${operation}(${operands.join(", ")})`),
  sum: (terms) => terms.map(({ isLess, body }, i) => (i ? (isLess ? " - " : " + ") : isLess ? "-" : "") + body).join(""),
};
