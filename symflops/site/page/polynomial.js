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
  if (numbers.every((x) => x !== undefined)) return Polynomial.number(EXACT[operation](...numbers));
  const texts = new Set(operands.map((operand) => operand.text()));
  return texts.size === 1 && (operation === "min" || operation === "max") ? operands[0] : atomOf(operation, operands);
};

const SYMBOLIC = {
  number: (n, d) => Polynomial.number(EXACT.number(n, d)),
  "+": (...terms) => Polynomial.of(terms.flatMap((term) => term.list)),
  "*": (...factors) => factors.reduce((a, b) => a.times(b)),
  "-": (a) => a.times(Polynomial.number(-1n)),
  "/": (a, b) => (b.terms.size === 1 ? a.times(b.power(-1n)) : exactly("/")(a, b)),
  "^": (a, b) => a.power(b.constant()),
  "**": exactly("**"),
  min: exactly("min"),
  max: exactly("max"),
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

// What is common to all terms, taken out: {outer: [[atom, power]], inner}.
function factored(polynomial) {
  const { list } = polynomial;
  if (list.length < 2) return { outer: [], inner: polynomial };
  const outer = new Map();
  for (const [name, power] of list[0].powers) {
    const least = list.reduce((low, { powers }) => ((powers.get(name) ?? 0n) < low ? (powers.get(name) ?? 0n) : low), power);
    if (least > 0n) outer.set(name, least);
  }
  const less = new Map([...outer].map(([name, power]) => [name, -power]));
  return { outer: inOrder(outer), inner: polynomial.times(Polynomial.of([{ coefficient: 1n, powers: less }])) };
}

const sizeOf = (x) => (numerator(x) < 0n ? negative(x) : x);

// A closed form in some notation: `style` says how numbers, symbols, products, sums and functions are written.
function printed(polynomial, style, isFactored = false) {
  if (!polynomial.terms.size) return style.number(0n);
  const { outer, inner } = isFactored ? factored(polynomial) : { outer: [], inner: polynomial };
  const terms = inner.list.sort((a, b) => b.powers.size - a.powers.size);
  const written = terms.map(({ coefficient, powers }) => {
    const above = inOrder(powers).filter(([, power]) => power > 0n);
    const below = inOrder(powers).filter(([, power]) => power < 0n).map(([name, power]) => [name, -power]);
    const size = sizeOf(coefficient);
    const factors = above.map((factor) => raisedIn(style, factor, isFactored));
    if (numerator(size) !== 1n || !factors.length) factors.unshift(style.number(numerator(size)));
    const divisors = below.map((factor) => raisedIn(style, factor, isFactored));
    if (denominator(size) !== 1n) divisors.unshift(style.number(denominator(size)));
    return { isLess: numerator(coefficient) < 0n, body: divisors.length ? style.over(style.product(factors), style.product(divisors), divisors.length > 1) : style.product(factors) };
  });
  const sum = style.sum(written);
  return outer.length ? style.product([...outer.map((factor) => raisedIn(style, factor, isFactored)), style.inside(sum)]) : sum;
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
