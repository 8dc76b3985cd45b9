// Numbers as texts, as the command line prints them.

// Four significant digits with a decimal prefix, as the command line prints them: 29.26 TFLOP.
function engineering(number, unit) {
  const noun = { FLOP: "FLOP", byte: "B", count: "" }[unit];
  const digits = String(number);
  if (digits.length < 4) return `${digits} ${noun}`.trim();
  const [kept, exponent] = rounded(digits);
  const scale = Math.floor((exponent + 3) / 3);
  const prefixes = ["", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q"];
  if (scale >= prefixes.length) return `${kept[0]}.${kept.slice(1)}e+${exponent + 3} ${noun}`.trim();
  return `${Number(`${kept}e${exponent - 3 * scale}`)} ${prefixes[scale]}${noun}`;
}

// Four significant digits, a tie to the even one, and the power of ten that they stand before.
function rounded(digits) {
  const rest = digits.slice(4).padEnd(1, "0");
  const kept = BigInt(digits.slice(0, 4));
  const isUp = rest[0] > "5" || (rest[0] === "5" && (/[1-9]/.test(rest.slice(1)) || kept % 2n === 1n));
  const text = String(kept + (isUp ? 1n : 0n));
  return [text.slice(0, 4), digits.length - 4 + (text.length - 4)];
}

// Every digit, in groups of three.
const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

// The nearest double of an exact number, however long its numerator and denominator are.
function toNumber(x) {
  const [n, d] = [numerator(x), denominator(x)];
  if (n === 0n) return 0;
  const size = n < 0n ? -n : n;
  const shift = 64n - bits(size) + bits(d); // so that the quotient has 64 bits or 65
  const [above, below] = shift > 0n ? [size << shift, d] : [size, d << -shift];
  const quotient = (above / below) | (above % below ? 1n : 0n);
  return Number(n < 0n ? -quotient : quotient) * 2 ** -Number(shift);
}

// So many significant digits, as Python's format "g" writes them: 234.219, 1.5e-05.
function general(x, places) {
  if (!Number.isFinite(x)) return String(x);
  const [digits, exponent] = x.toExponential(places - 1).split("e");
  if (exponent >= -4 && exponent < places) return String(Number(`${digits}e${exponent}`));
  return `${Number(digits)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

// A time with a unit: 1.234 ms.
function time(seconds) {
  const number = toNumber(seconds);
  const [unit, size] = [["s", 1], ["ms", 1e-3], ["us", 1e-6]].find(([, least]) => number >= least) ?? ["ns", 1e-9];
  return `${general(number / size, 4)} ${unit}`;
}

// An exact number that may be a fraction, as in a repeat that is not whole.
const text = (x) => (typeof x === "bigint" ? grouped(x) : String(toNumber(x)));

// So many significant digits, and all of those before the point: 12,788.3, 2,945,468.
const separated = (x, places) => (x < 10 ** places - 0.5 ? general(x, places) : BigInt(Math.round(x)).toString()).replace(/^\d+(?=\.|$)/, grouped);

// Four significant digits.
const precise = (x) => (x < 1e6 ? String(Number(x.toPrecision(4))) : x.toExponential(3));
