// A model's closed forms are one program (see program.py). It is run in exact numbers for what is shown as a number and in
// doubles for the curves of the charts.

const EXACT = {
  number: (n, d) => (d === undefined ? BigInt(n) : fraction(BigInt(n), BigInt(d))),
  "+": plus,
  "*": times,
  "-": negative,
  "/": quotient,
  "^": raised,
  "**": power,
  min: least,
  max: greatest,
  floor,
  ceil,
  sqrt: root,
  log2,
};

const DOUBLE = {
  number: (n, d) => Number(n) / Number(d ?? 1),
  "+": (...terms) => terms.reduce((a, b) => a + b),
  "*": (...factors) => factors.reduce((a, b) => a * b),
  "-": (a) => -a,
  "/": (a, b) => a / b,
  "^": (a, b) => a ** b,
  "**": (a, b) => a ** b,
  min: Math.min,
  max: Math.max,
  floor: Math.floor,
  ceil: Math.ceil,
  sqrt: Math.sqrt,
  log2: Math.log2,
};

// The values of the steps in `order` (all of them, or those that `needed` found).
function run(steps, order, symbols, algebra) {
  const values = new Array(steps.length);
  for (const i of order) {
    const step = steps[i];
    if (typeof step === "string") {
      if (symbols[step] === undefined) throw new RangeError(`no value for ${step}`);
      values[i] = symbols[step];
    } else if (typeof step === "number") {
      values[i] = algebra.number(step);
    } else if (step[0] === "#") {
      values[i] = algebra.number(step[1], step[2]);
    } else {
      const operands = [];
      for (let k = 1; k < step.length; k += 1) operands.push(values[step[k]]);
      values[i] = algebra[step[0]](...operands);
    }
  }
  return values;
}

// The steps that some results need, in order.
function needed(steps, results) {
  const found = new Set();
  const stack = [...results];
  while (stack.length) {
    const i = stack.pop();
    if (found.has(i)) continue;
    found.add(i);
    const step = steps[i];
    if (Array.isArray(step) && step[0] !== "#") stack.push(...step.slice(1));
  }
  return [...found].sort((a, b) => a - b);
}

const HOLDS = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<=": (order) => order <= 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  ">": (order) => order > 0,
};

// The first condition that does not hold, of those that depend on symbols.
function broken(model, values, isLess) {
  const order = (a, b) => (isLess(a, b) ? -1 : isLess(b, a) ? 1 : 0);
  return model.conditions.find(({ left, sign, right }) => !HOLDS[sign](order(values[left], values[right])));
}

// A condition as it was written, and what is known of its symbols, as the command line says it.
function withNumbers({ steps }, { text, left, right, known }, symbols) {
  const found = new Map(Object.entries(known ?? {}));
  for (const i of needed(steps, [left, right])) if (typeof steps[i] === "string") found.set(steps[i], symbols[steps[i]]);
  const shown = (x) => (denominator(x) === 1n ? String(numerator(x)) : `${reduced(x).n}/${reduced(x).d}`);
  const names = [...found.keys()].sort();
  const values = names.map((name) => `${name}=${typeof found.get(name) === "string" ? found.get(name) : shown(found.get(name))}`);
  return values.length ? `${text} (with ${values.join(", ")})` : text;
}

// What a model costs at a point, in exact integers, and before they are rounded: {totals, exact, rows: [{runs, cells, exact}],
// weights, kept, tokens}. Throws where it has no cost.
function evaluate(model, symbols) {
  const values = run(model.steps, model.steps.keys(), symbols, EXACT);
  const condition = broken(model, values, isLess);
  if (condition) throw new RangeError(`assumption broken: ${withNumbers(model, condition, symbols)}`);
  const numbers = (cells) => cells.map((step, i) => nearest(METRICS[i].name, values[step]));
  const exact = (cells) => cells.map((step) => values[step]);
  return {
    totals: numbers(model.totals),
    exact: exact(model.totals),
    rows: model.rows.map((row) => ({ runs: values[row.runs], cells: numbers(row.cells), exact: exact(row.cells) })),
    weights: values[model.weights],
    kept: model.kept === null ? undefined : values[model.kept],
    fed: times(symbols.batch_size ?? 1n, model.unit === "tokens" ? symbols.seq_len : 1n), // tokens or sequences of this call
  };
}
