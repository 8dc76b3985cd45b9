// A model file becomes one program (see program.js): each layer is a call of a formula of the library, whose steps are
// copied with the layer's arguments in place of its own. What is known is computed on the way, exactly.

const FOLDED = new Set(["+", "*", "-", "/", "^", "min", "max", "floor", "ceil"]);
const OWNED = METRICS.findIndex(({ name }) => name === "parameters");
const WEIGHT = "weight_bytes";

class Linker {
  constructor() {
    Object.assign(this, { steps: [], places: new Map(), copies: new Map() });
  }

  // The step of an operation on earlier ones, a symbol or a number.
  place(step) {
    const found = Array.isArray(step) && step[0] !== "#" ? this.folded(step) : step;
    if (Array.isArray(found) || typeof found !== "object") return this.interned(found);
    return found.place;
  }

  interned(step) {
    const key = JSON.stringify(step);
    if (!this.places.has(key)) {
      this.places.set(key, this.steps.length);
      this.steps.push(step);
    }
    return this.places.get(key);
  }

  number(x) {
    const [n, d] = [numerator(x), denominator(x)];
    const isPlain = d === 1n && n <= BigInt(Number.MAX_SAFE_INTEGER) && n >= -BigInt(Number.MAX_SAFE_INTEGER);
    return this.interned(isPlain ? Number(n) : ["#", String(n), String(d)]);
  }

  // The exact number that a step is, or undefined.
  known(place) {
    const step = this.steps[place];
    if (typeof step === "number") return BigInt(step);
    return Array.isArray(step) && step[0] === "#" ? fraction(BigInt(step[1]), BigInt(step[2])) : undefined;
  }

  folded([operation, ...operands]) {
    const numbers = operands.map((operand) => this.known(operand));
    if (FOLDED.has(operation) && numbers.every((x) => x !== undefined)) {
      const isDefined = operation !== "/" || numbers[1] !== 0n;
      if (isDefined) return { place: this.number(EXACT[operation](...numbers)) };
    }
    if (operation === "*" && numbers.includes(0n)) return { place: this.number(0n) };
    if (operation !== "*" && operation !== "+") return [operation, ...operands];
    const neutral = operation === "*" ? 1n : 0n;
    const kept = operands.filter((_, i) => numbers[i] !== neutral);
    return kept.length === 1 ? { place: kept[0] } : [operation, ...kept];
  }

  // A step of another program, with steps of this one in place of some of its symbols.
  copy(steps, index, bound, done = new Map()) {
    for (const i of needed(steps, [index])) {
      if (done.has(i)) continue;
      const step = steps[i];
      if (typeof step === "string") done.set(i, bound.get(step) ?? this.interned(step));
      else if (!Array.isArray(step) || step[0] === "#") done.set(i, this.interned(step));
      else done.set(i, this.place([step[0], ...step.slice(1).map((k) => done.get(k))]));
    }
    return done.get(index);
  }

  plus(...places) {
    return places.length ? this.place(["+", ...places]) : this.number(0n);
  }

  times(...places) {
    return this.place(["*", ...places]);
  }

  // The names of symbols that some steps depend on.
  names(places) {
    return new Set(needed(this.steps, places).map((i) => this.steps[i]).filter((step) => typeof step === "string"));
  }
}

// The symbols of an expression of an entry.
const namesIn = (program, places) => new Set(needed(program.steps, places).map((i) => program.steps[i]).filter((step) => typeof step === "string"));

class ModelLink {
  // `data` is a model file, `program` what its texts are as steps; `symbols` the numbers of its architecture's symbols,
  // by name, which otherwise stay symbols; `format` is that of weights, if any.
  constructor(data, program, symbols, format = undefined) {
    Object.assign(this, { data, program, format, linker: new Linker(), rows: [], groups: new Map(), formatted: [] });
    this.bound = new Map([...symbols].map(([name, value]) => [name, this.linker.number(value)]));
    this.texts = new Map();
    this.tops = this.walk(data.layers, "", -1, this.linker.number(1n), "");
  }

  value(data) {
    if (typeof data === "bigint") return this.linker.number(data);
    const text = typeof data === "number" ? double(data) : data;
    if (!(text in this.program.texts)) throw new Refusal(`the page cannot read ${oneLine(String(text), 80)}`);
    return this.linker.copy(this.program.steps, this.program.texts[text], this.bound, this.texts);
  }

  walk(layers, above, parent, runs, outer) {
    const own = [];
    for (const [name, layer] of Object.entries(layers)) {
      const path = above ? `${above}.${name}` : name;
      const [repeat, on] = this.repeat(layer.repeat ?? 1n, outer);
      const row = { path, name, parent, class: layer.class ?? "", repeat, runs: this.linker.times(runs, repeat), layer, on };
      const place = this.rows.push(row) - 1;
      own.push(place);
      if ("sub_layers" in layer) row.parts = this.walk(layer.sub_layers, path, place, row.runs, on);
      else Object.assign(row, this.basic(layer, on, path));
    }
    return own;
  }

  // How often a layer runs, and the run symbol that has to be 1 for it.
  repeat(data, outer) {
    const symbols = typeof data === "string" && data in this.program.texts ? namesIn(this.program, [this.program.texts[data]]) : new Set();
    const on = Object.keys(LIBRARY.own).find((name) => symbols.has(name));
    if (!on) return [this.value(data), outer];
    const bound = new Map([...this.bound, [on, this.linker.number(1n)]]);
    return [this.linker.copy(this.program.steps, this.program.texts[data], bound), on];
  }

  // The costs of one run of a basic layer, by metric.
  basic(layer, on, path) {
    const call = layer.cost ? undefined : this.call(layer, path);
    const costs = (more = new Map()) => (layer.cost ? this.inline(layer.cost, path, more) : this.formula(call.formula.cost, call.args, more));
    let one = costs();
    const stored = this.stored(layer, call, one, path);
    if (stored !== undefined) one = costs(new Map([[WEIGHT, this.linker.place(["/", stored, one[OWNED]])]])).map((step, i) => (i === OWNED ? one[OWNED] : step));
    const factors = [...(on ? [this.linker.interned(on)] : []), ...("when" in layer ? [this.value(layer.when)] : [])];
    if (factors.length) one = one.map((step, i) => (i === OWNED ? step : this.linker.times(step, ...factors)));
    const owned = layer.tied ? this.linker.number(0n) : one[OWNED];
    const weights = layer.tied ? owned : stored ?? this.linker.times(owned, this.linker.interned(WEIGHT));
    return { one: one.map((step, i) => (i === OWNED ? owned : step)), weights, call };
  }

  inline(cost, path, more) {
    const bound = new Map([...this.bound, ...more]);
    return METRICS.map(({ name }) => {
      if (name in cost && cost[name] !== null) {
        return typeof cost[name] === "string" && more.size ? this.linker.copy(this.program.steps, this.program.texts[cost[name]], bound) : this.value(cost[name]);
      }
      if (same(cost.others ?? 0n, 0n) && cost[name] !== null) return this.linker.number(0n);
      throw new Refusal(`${name} of ${path} is unknown`);
    });
  }

  call(layer, path) {
    const name = (layer.formula ?? this.program.formulas[layer.class] ?? "").replace(/\.toml$/, "");
    if (!(name in LIBRARY.formulas)) throw new Refusal(`${path}: the page has no formula for ${oneLine(layer.formula ?? layer.class ?? "it", 80)}`);
    const formula = LIBRARY.formulas[name];
    const args = new Map(Object.entries(layer.args ?? {}).map(([key, value]) => [key, this.value(value)]));
    for (const key of formula.order) if (!args.has(key)) args.set(key, this.linker.copy(LIBRARY.steps, formula.defaults[key], args));
    return { name, formula, args };
  }

  formula(places, args, more) {
    const [bound, done] = [new Map([...args, ...more]), new Map()];
    return places.map((step) => this.linker.copy(LIBRARY.steps, step, bound, done));
  }

  // The bytes of a layer's weights in a format of their own; undefined where they have weight_bytes each.
  stored(layer, call, one, path) {
    if ("stored" in layer) return this.value(layer.stored);
    if (!this.format || layer.tied) return undefined;
    const found = matricesOf(this, call, layer, one);
    if (!found || this.format.skips.some((name) => isModuleOf(path, name))) return undefined;
    const bytes = found.sizes.map(([count, rows, columns]) => {
      const bound = new Map([["rows", rows], ["columns", columns]]);
      return this.linker.times(count, this.linker.copy(LIBRARY.steps, this.format.bytes, bound));
    });
    this.formatted.push(path);
    return this.linker.plus(this.linker.times(found.others, this.linker.interned(WEIGHT)), ...bytes);
  }

  // What the report's scripts read of a model (page_data.py says the same of a model that it has).
  result(name, conditions, notes) {
    const { linker, rows } = this;
    for (const row of rows) if (row.one) row.cells = row.one.map((step) => linker.times(step, row.runs));
    for (const row of [...rows].reverse()) {
      if (row.parts) row.cells = METRICS.map((_, k) => linker.plus(...row.parts.map((place) => rows[place].cells[k])));
    }
    const totals = METRICS.map((_, k) => linker.plus(...this.tops.map((place) => rows[place].cells[k])));
    const leaves = rows.filter(({ one }) => one);
    const weights = linker.plus(...leaves.map(({ weights, runs }) => linker.times(weights, runs)));
    const kept = keptForNextCall(this);
    return {
      name, notes, totals, weights, kept: kept ?? null, conditions, steps: linker.steps,
      unit: linker.names(totals).has("seq_len") ? "tokens" : "sequences",
      worked: leaves.map(({ one, path, call }) => ({ path, places: this.workedOn(one, call) })),
      rows: rows.map((row) => ({
        class: row.class, leaf: !row.parts?.length, whole: Boolean(row.one), runs: row.runs, cells: row.cells,
        formulas: row.cells, path: row.path, parent: row.parent,
      })),
    };
  }

  // What one run of a layer reads and writes.
  workedOn(one) {
    return METRICS.flatMap(({ name }, k) => (name.endsWith("_bytes") ? [one[k]] : []));
  }
}
