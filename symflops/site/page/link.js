// A model file becomes one program (see program.js): each layer is a call of a formula of the library, whose steps are
// copied with the layer's arguments in place of its own. What is known is computed on the way, exactly.

const FOLDED = new Set(["+", "*", "-", "/", "^", "min", "max", "floor", "ceil"]);
const PARAMETERS = METRICS.findIndex(({ name }) => name === "parameters");
const isOwned = (metric) => METRICS[metric].owned; // what is there once, however often a layer runs
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
    Object.assign(this, { data, program, format, linker: new Linker(), rows: [], groups: new Map(), formatted: [], left: [] });
    this.bound = new Map([...symbols].map(([name, value]) => [name, this.linker.number(value)]));
    this.texts = new Map();
    const beyond = ["training", "served", "cache_dtype"].find((key) => key in data);
    if (beyond) throw new Refusal(`this page cannot read a model file with ${beyond}; \`symflops total\` does`);
    this.tops = this.walk(data.layers, { path: "", module: "", place: -1, runs: this.linker.number(1n), on: "" });
  }

  value(data) {
    if (typeof data === "bigint") return this.linker.number(data);
    const text = typeof data === "number" ? double(data) : data;
    if (!(text in this.program.texts)) throw new Refusal(`the page cannot read ${oneLine(String(text), 80)}`);
    return this.linker.copy(this.program.steps, this.program.texts[text], this.bound, this.texts);
  }

  // The rows of some layers and of all below them; the places of the former. `above` is their group.
  walk(layers, above) {
    const own = [];
    const isOfKinds = above.path !== "" && areKinds(Object.values(layers));
    for (const [name, layer] of Object.entries(layers)) {
      const [repeat, on] = this.repeat(layer.repeat ?? 1n, above.on);
      const path = above.path ? `${above.path}.${name}` : name;
      const index = isOfKinds || !same(layer.repeat ?? 1n, 1n) ? ".0" : ""; // one of a list of modules
      const module = isOfKinds ? above.module + index : (above.module ? `${above.module}.` : "") + name + index;
      const row = { path, module, parent: above.place, class: layer.class ?? "", repeat, runs: this.linker.times(above.runs, repeat), layer, on };
      row.place = this.rows.push(row) - 1;
      own.push(row.place);
      if ("sub_layers" in layer) row.parts = this.walk(layer.sub_layers, row);
      else Object.assign(row, this.basic(layer, row));
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

  // The costs of one run of a basic layer, by metric, what its weights take, and what it reads and writes beside them.
  basic(layer, { on, path, module }) {
    const call = layer.cost ? undefined : this.call(layer, path);
    const given = layer.cost ? this.inline(layer.cost, path) : this.formula(call.formula.cost, call.args);
    return { ...this.costs(call, given, layer, { on, path, module }), call };
  }

  // The same of a call, or of costs that are given, where it stands.
  costs(call, given = this.formula(call.formula.cost, call.args), layer = Object.create(null), { on, path, module } = {}) {
    const factors = [...(on ? [this.linker.interned(on)] : []), ...("when" in layer ? [this.value(layer.when)] : [])];
    const plain = given.map((step, i) => (isOwned(i) || !factors.length ? step : this.linker.times(step, ...factors)));
    const nothing = this.linker.number(0n);
    const count = plain[PARAMETERS];
    const stored = "stored" in layer ? this.value(layer.stored) : this.stored(layer, call, path, module);
    const one = stored === undefined ? [...plain] : this.with(plain, [WEIGHT, this.linker.place(["/", stored, count])]);
    METRICS.forEach((_, i) => {
      if (isOwned(i)) one[i] = layer.tied ? nothing : plain[i];
    });
    const weights = layer.tied ? nothing : (stored ?? this.linker.times(count, this.linker.interned(WEIGHT)));
    const bare = this.with(plain, [WEIGHT, nothing], ["cache_bytes", nothing]);
    const worked = this.linker.plus(...METRICS.flatMap(({ name }, k) => (name.endsWith("_bytes") ? [bare[k]] : [])));
    return { one, weights, call, worked };
  }

  // Steps with others in place of some symbols.
  with(places, ...values) {
    const done = new Map();
    return places.map((step) => this.linker.copy(this.linker.steps, step, new Map(values), done));
  }

  inline(cost, path) {
    return METRICS.map(({ name }) => {
      if (isGiven(cost[name])) return this.value(cost[name]);
      if (!(name in cost) && same(cost.others ?? 0n, 0n)) return this.linker.number(0n);
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

  formula(places, args) {
    const done = new Map();
    return places.map((step) => this.linker.copy(LIBRARY.steps, step, args, done));
  }

  // The bytes of a layer's weights in a format of their own; undefined where they have weight_bytes each.
  stored(layer, call, path, module) {
    if (!this.format || layer.tied) return undefined;
    const found = matricesOf(this, call, layer);
    if (!found) return undefined;
    if (!isKept(this.format, found.kind, module, (layer.class ?? "").split(".").at(-1))) {
      this.left.push(path);
      return undefined;
    }
    this.formatted.push(path);
    const each = found.sizes.map(([count, rows, columns]) => this.linker.times(count, bytesOf(this.linker, this.format, rows, columns)));
    return this.linker.plus(this.linker.times(found.others, this.linker.interned(WEIGHT)), ...each);
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
      worked: leaves.map(({ path, worked }) => ({ path, place: worked })),
      rows: rows.map((row) => ({
        class: row.class, leaf: !row.parts?.length, whole: Boolean(row.one), runs: row.runs, cells: row.cells,
        formulas: row.cells, path: row.path, parent: row.parent, repeats: !same(row.layer.repeat ?? 1n, 1n),
      })),
    };
  }
}

// Whether these are the kinds of layers of one list: several groups of one class.
function areKinds(layers) {
  const classes = new Set(layers.map((layer) => layer.class ?? ""));
  return layers.length > 1 && classes.size === 1 && !classes.has("") && layers.every((layer) => "sub_layers" in layer);
}
