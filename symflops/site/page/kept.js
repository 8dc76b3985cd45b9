// What a call keeps for the next one, in bytes (symflops/storage.py), and the matrices that formats are for
// (symflops/passes/matrices.py).

const ATTENTION = ["sdpa", "sdpa_eager"];

// The step of what is kept; undefined where a layer keeps something and does not say how much.
function keptForNextCall(link) {
  const { linker, rows } = link;
  const { length } = link.data; // of tokens that the cache keeps: the decoder's, where there is an encoder, too
  const tokens = linker.plus(linker.interned("past_len"), linker.interned(length));
  const stateOf = ({ call }) => (call ? linker.copy(LIBRARY.steps, call.formula.state, call.args) : linker.number(0n));
  const isNothing = (place) => linker.known(place) === 0n;
  const untold = rows.every(({ layer }) => !("state" in layer));
  const kept = [];
  for (const row of rows) {
    if ("state" in row.layer) kept.push(linker.times(row.runs, link.value(row.layer.state)));
    if (!row.one) continue;
    const state = stateOf(row);
    if (isNothing(state)) {
      if (untold && asksForState(linker, row.one)) return undefined;
      continue;
    }
    const polynomial = polynomialOf(linker, state);
    if (!polynomial.names().has(length)) {
      kept.push(linker.times(row.runs, state));
      continue;
    }
    if (!polynomial.isProportionalTo(length)) return undefined;
    const perToken = linker.copy(linker.steps.slice(), state, new Map([[length, linker.number(1n)]]));
    const window = windowOf(link, row.parent);
    const seen = window === undefined ? tokens : linker.place(["min", linker.plus(window, linker.number(-1n)), tokens]);
    kept.push(linker.times(row.runs, perToken, seen));
  }
  return linker.plus(...kept);
}

// Whether a cost asks if there was a call before, as layers with a recurrent state do.
function asksForState(linker, places) {
  const steps = needed(linker.steps, places).map((i) => linker.steps[i]);
  return steps.some((step) => {
    if (!Array.isArray(step) || step[0] !== "min" || step.length !== 3) return false;
    const operands = step.slice(1).map((k) => linker.steps[k]);
    return operands.includes(1) && operands.includes("past_len");
  });
}

// How far back the attention of a group sees, as a step, if that is limited and no more is kept.
function windowOf({ linker, rows }, group) {
  const attention = rows.filter(({ parent, call }) => parent === group && call && ATTENTION.includes(call.name));
  const windows = attention.map(({ layer, call: { args } }) => {
    const given = layer.args ?? {};
    if ("kv_read" in given && args.get("kv_read") === args.get("kv_len")) return undefined;
    return "window" in given ? args.get("window") : windowOfCache(linker, args);
  });
  const limited = windows.filter((window) => window !== undefined);
  if (!limited.length || limited.length !== windows.length) return undefined;
  return new Set(limited).size === 1 ? limited[0] : linker.place(["max", ...new Set(limited)]);
}

// The window of a cache that a mask says nothing of: of `seq_len + min(past_len, window - 1)` keys.
function windowOfCache(linker, args) {
  const cached = polynomialOf(linker, args.get("kv_len")).plus(polynomialOf(linker, args.get("q_len")).times(Polynomial.number(-1n)));
  const atom = cached.onlyAtom();
  if (atom?.operation !== "min") return undefined;
  const limits = atom.operands.filter((operand) => !operand.names().has("past_len"));
  const limit = limits.length === 1 ? limits[0].constant() : undefined;
  return limit === undefined ? undefined : linker.number(plus(limit, 1n));
}

// ------------------------------------------------------------------------------------------------------------- formats

// The matrices of a basic layer: [count, rows, columns] each, and how many other weights it has; undefined for a layer that
// has none.
function matricesOf({ linker, program, bound, texts }, call, layer) {
  if (call?.name === "linear") {
    const [rows, columns, bias] = ["out_features", "in_features", "bias"].map((name) => call.args.get(name));
    return { kind: "linear", sizes: [[linker.number(1n), rows, columns]], others: linker.times(bias ?? linker.number(0n), rows) };
  }
  if (call?.name === "moe_experts") {
    const [count, inner, width] = ["num_experts", "intermediate_size", "hidden_size"].map((name) => call.args.get(name));
    const two = linker.times(linker.number(2n), count);
    return { kind: "experts", sizes: [[two, inner, width], [count, width, inner]], others: linker.number(0n) };
  }
  const experts = typeof layer.cost?.parameters === "string" ? program.experts[layer.cost.parameters] : undefined;
  if (!experts) return undefined;
  const used = typeof layer.cost.matmul_flops === "string" ? namesIn(program, [program.texts[layer.cost.matmul_flops]]) : new Set();
  if (used.has(experts.experts) || !program.chosen.some((name) => used.has(name))) return undefined; // such as a router
  const copied = (step) => linker.copy(program.steps, step, bound, texts);
  return { kind: "experts", sizes: experts.sizes.map((size) => size.map(copied)), others: copied(experts.others) };
}
