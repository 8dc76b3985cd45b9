// Closed forms as MathML and as LaTeX. Symbols have the letters that they have everywhere; MathML is built of elements, one
// <math> for each term, since browsers break lines only between them.

const MATH = "http://www.w3.org/1998/Math/MathML";
const BREAK = Symbol("a line may end here");
const SUBSCRIPT = /^([A-Za-z])_([A-Za-z0-9]{1,3})$/;

function math(tag, ...children) {
  const made = document.createElementNS(MATH, tag);
  made.append(...children);
  return made;
}

const sign = (text, form = "") => {
  const made = math("mo", text);
  if (form) made.setAttribute("form", form);
  if (text === "(" || text === ")") made.setAttribute("stretchy", "false");
  return made;
};
const letterOf = (name) => LIBRARY.run[name]?.letter || name;
const rowOf = (parts) => math("mrow", ...parts.filter((part) => part !== BREAK));
const FENCES = { floor: ["⌊", "⌋"], ceil: ["⌈", "⌉"] };

const MATHML = {
  number: (n) => [math("mn", grouped(n))],
  symbol(name) {
    const indexed = SUBSCRIPT.exec(letterOf(name));
    return indexed ? [math("msub", math("mi", indexed[1]), math("mi", indexed[2]))] : [math("mi", letterOf(name))];
  },
  product: (factors) => factors.flatMap((factor, i) => (i ? [sign("⋅"), ...factor] : factor)),
  over: (a, b) => [math("mfrac", rowOf(a), rowOf(b))],
  inside: (a) => [sign("("), ...a, sign(")")],
  power: (a, b) => [math("msup", rowOf(a), rowOf(b))],
  call(operation, operands) {
    if (operation === "sqrt") return [math("msqrt", ...operands[0])];
    if (operation === "/") return MATHML.over(...operands);
    if (operation === "^" || operation === "**") return MATHML.power(MATHML.inside(operands[0]), operands[1]);
    const listed = operands.flatMap((operand, i) => (i ? [sign(","), ...operand] : operand));
    const [open, close] = FENCES[operation] ?? ["(", ")"];
    return [...(FENCES[operation] ? [] : [math("mi", operation)]), sign(open), ...listed, sign(close)];
  },
  sum: (terms) =>
    terms.flatMap(({ isLess, body }, i) => (i ? [BREAK, sign(isLess ? "−" : "+", "infix"), ...body] : [...(isLess ? [sign("−", "prefix")] : []), ...body])),
};

const LATEX_CALLS = { floor: ["\\lfloor ", " \\rfloor"], ceil: ["\\lceil ", " \\rceil"], min: ["\\min(", ")"], max: ["\\max(", ")"], log2: ["\\log_2(", ")"], sqrt: ["\\sqrt{", "}"] };

const LATEX = {
  number: String,
  symbol(name) {
    const letter = letterOf(name);
    const indexed = SUBSCRIPT.exec(letter);
    if (indexed) return `${indexed[1]}_{\\mathrm{${indexed[2]}}}`;
    return letter.length > 1 ? `\\mathit{${letter.replaceAll("_", "\\_")}}` : letter;
  },
  product: (factors) => factors.join(" \\cdot "),
  over: (a, b) => `\\frac{${a}}{${b}}`,
  inside: (a) => `\\left(${a}\\right)`,
  power: (a, b) => `${a}^{${b}}`,
  call(operation, operands) {
    if (operation === "/") return LATEX.over(...operands);
    if (operation === "^" || operation === "**") return LATEX.power(LATEX.inside(operands[0]), operands[1]);
    return LATEX_CALLS[operation][0] + operands.join(", ") + LATEX_CALLS[operation][1];
  },
  sum: TEXT.sum,
};

// A closed form as elements that wrap.
function inMathML(polynomial) {
  const found = document.createDocumentFragment();
  let row = math("math");
  for (const part of printed(polynomial, MATHML, true)) {
    if (part !== BREAK) row.append(part);
    else {
      found.append(row);
      row = math("math");
    }
  }
  found.append(row);
  return found;
}

const inLatex = (polynomial) => printed(polynomial, LATEX, true);
