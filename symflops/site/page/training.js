// A step of training of a model, as symflops/passes/training.py makes it: AdamW with a copy of the weights in float32, all
// weights trained, nothing recomputed. What it holds is what symflops/analysis/memory.py says of it.

const LOSS = "causal_lm_loss";
const OPTIMIZER = "adamw";
const FLOAT32 = 4n;
const ATTENDS = 2n; // moments that the optimizer keeps for a weight

// Puts the rows of a step in place of those of the forward; what it holds beside the weights, as steps.
function trainingOf(link) {
  const { linker } = link;
  const [own, one] = [link.rows, linker.number(1n)];
  const group = (path) => ({ path, class: "", parent: -1, runs: one, repeat: one, parts: [], layer: Object.create(null) });
  const rows = [];
  const add = (row) => {
    row.place = rows.push(row) - 1;
    if (row.parent >= 0) rows[row.parent].parts.push(row.place);
    return row;
  };
  const isCache = ({ call, one: costs }) => call && linker.known(linker.copy(LIBRARY.steps, call.formula.state, call.args)) !== 0n && linker.known(costs[0]) === 0n;
  const forward = add(group("forward"));
  const at = new Map([[-1, forward.place]]);
  for (const row of own) {
    if (row.one && isCache(row)) continue;
    at.set(row.place, add({ ...row, path: `forward.${row.path}`, parent: at.get(row.parent), parts: row.parts && [] }).place);
  }
  const loss = lossOf(link, own);
  if (loss) add({ ...group("forward.loss"), parent: forward.place, parts: undefined, ...loss });
  const leaves = rows.filter((row) => row.one);
  const isTrained = (row) => row.layer.tied || linker.known(row.one[PARAMETERS]) !== 0n;
  const first = leaves.find(isTrained)?.place ?? Infinity; // before it nothing has a backward
  const inOrder = [...leaves.filter(({ place }) => place >= first), ...leaves.filter(({ place }) => place < first)];
  const gradients = new Map(inOrder.map((row) => [row.place, gradientsOf(link, row)]));
  const backward = add(group("backward"));
  addBackward(rows, add, backward, gradients, first, linker);
  const sum = (value) => linker.plus(...leaves.map((row) => linker.times(row.runs, value(row))));
  const count = sum((row) => row.one[PARAMETERS]);
  const saved = sum(({ place }) => gradients.get(place).at(-1));
  const adamw = LIBRARY.formulas[OPTIMIZER];
  const args = new Map([["n", count], ["master", one]]);
  const step = { ...group("optimizer"), parts: undefined };
  add({ ...step, one: link.formula(adamw.cost, args), weights: linker.number(0n), worked: linker.number(0n) });
  link.rows = rows;
  link.tops = rows.filter(({ parent }) => parent < 0).map(({ place }) => place);
  const bytes = linker.number(ATTENDS * FLOAT32 + FLOAT32);
  const what = loss ? `cross entropy of ${loss.of}` : "none: the model does not end in a linear layer";
  return { loss: what, saved, gradients: linker.times(linker.interned(WEIGHT), count), optimizer: linker.times(bytes, count) };
}

// The cross entropy of what a model ends in, where that is a linear layer.
function lossOf(link, rows) {
  const [flops, written] = ["flops", "write_bytes"].map((name) => METRICS.findIndex((metric) => metric.name === name));
  const isNothing = (step) => link.linker.known(step) === 0n;
  const last = rows.filter(({ one }) => one && !(isNothing(one[flops]) && isNothing(one[written]))).at(-1);
  if (last?.call?.name !== "linear") return undefined;
  const args = new Map([["N", last.call.args.get("N")], ["num_classes", last.call.args.get("out_features")]]);
  return { ...link.costs({ name: LOSS, formula: LIBRARY.formulas[LOSS], args }), class: "", of: last.path };
}

// What a layer's backward costs, by metric, and last what its forward keeps for it.
function gradientsOf(link, { layer, call, one, path, class: kind, on }) {
  const { linker } = link;
  const nothing = linker.number(0n);
  const within = path.replace(/^forward\./, "");
  if (!call && !("backward" in layer) && one.every((step) => step === nothing)) return LIBRARY.gradients.map(() => nothing);
  const own = layer.backward;
  const found = own ? LIBRARY.gradients.map((key) => link.value(own[key])) : call?.formula.backward && link.formula(call.formula.backward, call.args);
  if (!found) {
    const name = kind || call?.name || "a layer with a cost";
    const where = call ? `, or its formula ${call.name} a table [backward]` : "";
    throw new Refusal(`${within}: the cost of the backward of ${name} is not stated; give the layer "backward"${where}`);
  }
  if (link.formatted.includes(within)) {
    throw new Refusal(`${within}: its weights are kept in a format of their own, in which nothing is trained; train adapters beside them (lora), leave it out of what is trained, or give weight_bytes`);
  }
  return on ? found.map((step) => linker.times(step, linker.interned(on))) : found;
}

// The rows of the backward: those of the forward from the first one on that is trained, where they cost something.
function addBackward(rows, add, top, gradients, first, linker) {
  const nothing = linker.number(0n);
  const forwardOnly = rows.slice(0, top.place);
  const costs = (row) => METRICS.map(({ name }) => gradients.get(row.place)[LIBRARY.gradients.indexOf(name)] ?? nothing);
  const has = (row) => (row.one ? row.place >= first && costs(row).some((step) => step !== nothing) : row.parts.some((place) => has(rows[place])));
  const at = new Map([[0, top.place]]);
  for (const row of forwardOnly.slice(1)) {
    if (!has(row)) continue;
    const made = { path: row.path.replace(/^forward/, "backward"), class: row.class, parent: at.get(row.parent), runs: row.runs, repeat: row.repeat, layer: { repeat: row.layer.repeat ?? 1n } };
    if (!row.one) Object.assign(made, { parts: [] });
    else {
      const one = costs(row);
      const bare = one.map((step) => linker.copy(linker.steps, step, new Map([[WEIGHT, nothing], ["cache_bytes", nothing]])));
      const worked = linker.plus(...METRICS.flatMap(({ name }, k) => (name.endsWith("_bytes") ? [bare[k]] : [])));
      Object.assign(made, { one, weights: nothing, worked });
    }
    at.set(row.place, add(made).place);
  }
}
