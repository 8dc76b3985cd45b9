// Exact arithmetic on whole numbers (BigInt) and fractions ({n, d} with d > 0, not reduced).

function fraction(n, d) {
  if (d === 0n) throw new RangeError("division by zero");
  if (d < 0n) [n, d] = [-n, -d];
  return d === 1n ? n : n % d === 0n ? n / d : { n, d };
}

const numerator = (x) => (typeof x === "bigint" ? x : x.n);

const denominator = (x) => (typeof x === "bigint" ? 1n : x.d);

function plus(...terms) {
  let n = 0n;
  let d = 1n;
  for (const term of terms) {
    const under = denominator(term);
    if (under === d) n += numerator(term);
    else if (under === 1n) n += term * d;
    else if (d === 1n) [n, d] = [n * under + term.n, under];
    else [n, d] = [n * under + term.n * d, d * under];
  }
  return fraction(n, d);
}

function times(...factors) {
  let n = 1n;
  let d = 1n;
  for (const factor of factors) {
    n *= numerator(factor);
    if (typeof factor !== "bigint") d *= factor.d;
  }
  return fraction(n, d);
}

const negative = (x) => (typeof x === "bigint" ? -x : { n: -x.n, d: x.d });

const quotient = (a, b) => fraction(numerator(a) * denominator(b), denominator(a) * numerator(b));

const isLess = (a, b) => numerator(a) * denominator(b) < numerator(b) * denominator(a);

const least = (...values) => values.reduce((a, b) => (isLess(b, a) ? b : a));

const greatest = (...values) => values.reduce((a, b) => (isLess(a, b) ? b : a));

function floor(x) {
  if (typeof x === "bigint") return x;
  const whole = x.n / x.d; // BigInt division cuts towards 0
  return x.n % x.d < 0n ? whole - 1n : whole;
}

const ceil = (x) => -floor(negative(x));

function reduced(x) {
  if (typeof x === "bigint") return { n: x, d: 1n };
  let [a, b] = [x.n < 0n ? -x.n : x.n, x.d];
  while (b) [a, b] = [b, a % b];
  return { n: x.n / a, d: x.d / a };
}

const bits = (n) => BigInt((n < 0n ? -n : n).toString(2).length);

// A number to a power that the formula spells out, such as h**2.
const raised = (x, exponent) => fraction(numerator(x) ** exponent, denominator(x) ** exponent);

// A number to a power that depends on symbols, such as (1 - k/E)**tokens. No number may grow beyond 4,096 bits; a proper
// fraction may shrink as far as it will, beyond 65,536 bits to 1,000 significant ones and below 2**-32,000 to 0.
function power(base, exponent) {
  if (typeof exponent !== "bigint") {
    const { n, d } = reduced(exponent);
    if (d !== 2n) throw new RangeError("an exponent is not an integer");
    return power(root(base), n);
  }
  const { n, d } = reduced(base);
  const size = n < 0n ? -n : n;
  if (exponent === 0n) return 1n;
  if (n === 0n && exponent < 0n) throw new RangeError("division by zero");
  if (n === 0n || (size === 1n && d === 1n)) return n < 0n && exponent % 2n === 0n ? -n : n;
  const times = exponent < 0n ? -exponent : exponent;
  const length = (bits(size) > bits(d) ? bits(size) : bits(d)) * times;
  if (length > 4096n && (size > d || exponent < 0n)) throw new RangeError("a power of more than 4096 bits");
  if (length > 65536n) return smallPower(n, d, times);
  if (exponent < 0n) return fraction(d ** times, n ** times);
  return d === 1n ? n ** times : { n: n ** times, d: d ** times };
}

// (n/d)**exponent for a proper fraction, kept as mantissa * 2**-shift with a mantissa of about 1,024 bits.
function smallPower(n, d, exponent) {
  const cut = ([mantissa, shift]) => {
    const excess = bits(mantissa) - 1024n;
    return excess > 0n ? [mantissa >> excess, shift - excess] : [mantissa, shift];
  };
  const product = ([a, s], [b, t]) => cut([a * b, s + t]);
  const size = n < 0n ? -n : n;
  let square = cut([(size << (1024n + bits(d))) / d, 1024n + bits(d)]);
  let result = [1n, 0n];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = product(result, square);
    square = product(square, square);
    if (square[1] > 1n << 64n) return 0n;
  }
  const [mantissa, shift] = result;
  if (shift - bits(mantissa) > 32256n) return 0n;
  return fraction(n < 0n && exponent & 1n ? -mantissa : mantissa, 1n << shift);
}

function wholeRoot(n) {
  if (n < 2n) return n;
  let guess = 1n << ((bits(n) + 1n) / 2n);
  for (;;) {
    const next = (guess + n / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

// Exact where the root is rational, else to 1,024 binary places.
function root(x) {
  const { n, d } = reduced(x);
  if (n < 0n) throw new RangeError("square root of a negative number");
  const [above, below] = [wholeRoot(n), wholeRoot(d)];
  if (above * above === n && below * below === d) return fraction(above, below);
  return fraction(wholeRoot((n * d) << 2048n), d << 1024n);
}

// Exact for powers of two, else to 600 binary places: each squaring of x in [1, 2) yields one.
function log2(x) {
  const { n, d } = reduced(x);
  if (n <= 0n) throw new RangeError("log2 of a number that is not positive");
  let whole = bits(n) - bits(d);
  if ((n & (n - 1n)) === 0n && (d & (d - 1n)) === 0n) return whole;
  const [places, width] = [600n, 700n];
  let y = whole < 0n ? (n << (width - whole)) / d : (n << width) / (d << whole);
  if (y >> width === 0n) [y, whole] = [y << 1n, whole - 1n];
  let fractional = 0n;
  for (let place = 0n; place < places; place += 1n) {
    y = (y * y) >> width;
    const two = y >> (width + 1n); // 1 when the square reached 2
    y >>= two;
    fractional = (fractional << 1n) | two;
  }
  return fraction((whole << places) + fractional, 1n << places);
}

// The exact value of a number or of a decimal's text; nothing where it is not one.
function decimal(value) {
  const found = /^(\d{1,5000})(?:\.(\d{0,5000}))?(?:e([+-]?\d{1,3}))?$/i.exec(String(value).trim());
  if (!found) return undefined;
  const [, whole, places = "", exponent = "0"] = found;
  const shift = BigInt(exponent) - BigInt(places.length);
  const digits = BigInt(whole + places);
  return shift < 0n ? fraction(digits, 10n ** -shift) : digits * 10n ** shift;
}

// The value of a symbol that counts something.
function count(name, value) {
  if (value === undefined) throw new RangeError(`no value for ${name}`);
  const number = typeof value === "boolean" ? BigInt(value) : decimal(value);
  const isExact = typeof value !== "number" || Number.isSafeInteger(value);
  if (typeof number !== "bigint" || !isExact) throw new RangeError(`${name} = ${value}: must be a nonnegative integer`);
  if (name === "causal" && number > 1n) throw new RangeError(`causal = ${value}: must be 0 or 1`);
  if (bits(number) > 1024n) throw new RangeError(`${name}: integer of more than 1024 bits`);
  return number;
}

// The value of a symbol that is a number of bytes per element, such as 0.5.
function bytes(name, value) {
  if (value === undefined) throw new RangeError(`no value for ${name}`);
  const number = decimal(value);
  if (number === undefined) throw new RangeError(`${name} = ${value}: must be a nonnegative number`);
  if (bits(numerator(number)) > 1024n) throw new RangeError(`${name}: integer of more than 1024 bits`);
  return number;
}

// The nearest integer, halves up: counts are whole, expectations (such as distinct experts) are not.
function nearest(metric, x) {
  const whole = floor(plus(x, { n: 1n, d: 2n }));
  if (whole < 0n) throw new RangeError(`${metric} is negative at this point`);
  return whole;
}
