// The report of the chosen models: what its scripts are given, and what the calculator adds to it.

const OPENS = { length: "128", size: "16" }; // what sizes of inputs open with that no config states
const LENGTHS = [2048n, 1024n, 512n, 256n, 128n, 64n, 32n, 16n, 8n, 4n, 2n, 1n];

// The symbols that can be set, with the values that the report opens with (page_data.py).
function symbolsOf(models) {
  const free = new Set([...models.flatMap(({ steps }) => steps.filter((step) => typeof step === "string")), "dtype_bytes"]);
  const element = models[0].answer.dtype ? String(LIBRARY.element[models[0].answer.dtype]) : LIBRARY.run.dtype_bytes.default;
  const rows = { ...LIBRARY.run, ...LIBRARY.own };
  const found = Object.entries(rows).filter(([name]) => free.has(name)).map(([name, row]) => {
    const value = name === "dtype_bytes" ? element : row.follows ? "" : (row.default ?? row.opens);
    return { name, meaning: row.meaning, fraction: row.fraction, follows: row.follows, required: false, value };
  });
  for (const name of free) {
    if (!(name in rows)) found.push({ name, meaning: "a size of the inputs", fraction: false, follows: false, required: true, value: OPENS[/_len$/.test(name) ? "length" : "size"] });
  }
  const length = found.find(({ name }) => name === "seq_len");
  if (length) length.value = String(usualLength(models, found));
  return found;
}

// 2,048 tokens, or the largest power of two below that all models can run.
function usualLength(models, symbols) {
  const values = Object.fromEntries(symbols.filter(({ value }) => value).map(({ name, fraction, value }) => [name, fraction ? decimal(value) : BigInt(value)]));
  for (const { name, follows } of symbols) if (follows) values[name] = values.dtype_bytes;
  const holds = (model, length) => {
    const order = needed(model.steps, model.conditions.flatMap(({ left, right }) => [left, right]));
    return !broken(model, run(model.steps, order, { ...values, seq_len: length }, EXACT), isLess);
  };
  return LENGTHS.find((length) => models.every((model) => holds(model, length))) ?? 1n;
}

function reportData(models) {
  return {
    metrics: METRICS, symbols: symbolsOf(models), models, tree: merged(models), machines: LIBRARY.machines, machine: "",
    dtypes: LIBRARY.dtypes,
  };
}

let life = new AbortController();
let latest; // what is shown: {models, symbols, results}

// Shows the report of some models in place of what was shown.
function showReport(models, keepWords) {
  life.abort();
  life = new AbortController();
  latest = undefined;
  const place = find("report");
  place.replaceChildren();
  for (const part of all(".with-models")) part.hidden = !models.length;
  if (!models.length) return;
  const data = reportData(models);
  place.append(find(`report-${models.length}`).content.cloneNode(true));
  for (const title of place.querySelectorAll("[data-title]")) title.textContent = models[title.dataset.title].name;
  find("layer-table").setAttribute("aria-label", `Layers of ${models.map(({ name }) => name).join(", ")}`);
  find("hardware").append(...LIBRARY.machines.map(({ name, about }) => element("option", { value: name }, `${name}: ${about}`)));
  const axes = data.symbols.filter(({ name, fraction }) => !fraction && name !== "causal");
  find("against").replaceChildren(...axes.map(({ name }) => element("option", { value: name }, name)));
  const formulaOf = (step) => element("span", {}, ...models.filter(({ steps }) => step < steps.length).slice(0, 1).map((model) => inMathML(polynomialOf(model, step))));
  let metric;
  const afterUpdate = (symbols, results, on) => {
    latest = { models, symbols, results };
    showMemory(models, symbols, results, on);
    showUsual(models, symbols);
    const chosen = find("metric").value;
    if (chosen !== metric) showComponents(models, chosen);
    metric = chosen;
  };
  showForms(models);
  openReport(data, formulaOf, life.signal, keepWords, afterUpdate);
}

// --------------------------------------------------------------------------------------------------- closed forms

const owner = (models, i) => (models.length > 1 ? [element("span", { class: "owners" }, models[i].name), " "] : []);

function showForms(models) {
  const entries = METRICS.flatMap(({ name, unit, meaning }, k) => [
    element("dt", {}, element("code", {}, name), ` [${unit}]: ${meaning}`),
    ...models.map((model, i) => element("dd", { class: "formula" }, ...owner(models, i), inMathML(polynomialOf(model, model.totals[k])))),
  ]);
  const names = new Set(models.flatMap(({ steps }) => steps.filter((step) => typeof step === "string")));
  const legend = Object.entries({ ...LIBRARY.run, ...LIBRARY.own }).filter(([name]) => names.has(name)).flatMap(([name, { meaning }], i) => [
    i ? ", " : "", math("math", ...MATHML.symbol(name)), " ", element("code", {}, name), ` ${meaning}`,
  ]);
  find("closed-forms").replaceChildren(element("dl", { class: "formulas" }, ...entries), element("p", { class: "note" }, ...legend));
  const symbols = new Map(models.flatMap(({ answer }) => [...answer.symbols.keys()]).map((name) => [name, models.map(({ answer }) => answer.symbols.get(name))]));
  const heads = ["symbol", ...(models.length > 1 ? models.map(({ name }) => name) : ["value"])];
  const rows = [...symbols].map(([name, values]) => element("tr", {}, element("th", { scope: "row" }, element("code", {}, name)), ...values.map((value) => element("td", {}, value === undefined ? "" : grouped(value)))));
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const label = "Numbers of the configs, which are put into the formulas";
  find("numbers").replaceChildren(element("table", { class: "numbers", "aria-label": label }, element("thead", {}, head), element("tbody", {}, ...rows)));
  const assumed = new Map();
  models.forEach((model, i) => model.conditions.forEach(({ text }) => assumed.set(text, [...(assumed.get(text) ?? []), i])));
  find("assumed").replaceChildren(...[...assumed].map(([text, owners]) => element("li", {}, element("code", {}, text), owners.length < models.length ? ` ${owners.map((i) => models[i].name).join(", ")}` : "")));
}

// The chosen metric as a sum over components, each with the layers that it comes from.
function showComponents(models, metric) {
  const k = METRICS.findIndex(({ name }) => name === metric);
  const rows = models.flatMap((model, i) =>
    [...components(model)].flatMap(([name, places]) => {
      const form = places.map((place) => polynomialOf(model, model.rows[place].cells[k])).reduce((a, b) => a.plus(b));
      if (form.constant() === 0n) return [];
      const where = places.map((place) => model.rows[place].path).join(", ");
      return [element("tr", {}, element("th", { scope: "row", title: where }, ...owner(models, i), name), element("td", { class: "formula" }, inMathML(form)))];
    }),
  );
  find("components").replaceChildren(element("caption", {}, "Where ", element("code", {}, metric), " comes from"), element("tbody", {}, ...rows));
}

// ----------------------------------------------------------------------------------------------------------- memory

const MEMORY = ["weights", "state", "gradients", "optimizer", "saved", "working", "peak", "together"];

// What inference holds, or a step of training, as `symflops memory` has it of a model without a peak of its own; undefined
// where it has none of a kind, null where that is not known.
function memoryOf(model, symbols, result) {
  const { held } = model;
  const places = [...model.worked.map(({ place }) => place), ...(held ? [held.gradients, held.optimizer, held.saved] : [])];
  const values = run(model.steps, needed(model.steps, places), symbols, EXACT);
  const most = model.worked.reduce((best, one) => (isLess(values[best.place], values[one.place]) ? one : best));
  const [weights, working] = [result.weights, values[most.place]];
  const found = { weights, working, where: most.path.replace(/^forward\./, "") };
  if (!held) {
    const state = result.kept ?? null;
    return { ...found, state, peak: state === null ? null : plus(weights, state, working) };
  }
  const [gradients, optimizer, saved] = [held.gradients, held.optimizer, held.saved].map((place) => values[place]);
  const peak = plus(weights, optimizer, greatest(gradients, saved));
  return { ...found, gradients, optimizer, saved, peak, together: plus(weights, optimizer, gradients, saved, working) };
}

function showMemory(models, symbols, results, on) {
  const shown = (x) => (x === null ? "not known" : engineering(nearest("memory", x), "byte"));
  const found = models.map((model, i) => results[i] && memoryOf(model, symbols, results[i]));
  for (const kind of MEMORY) {
    found.forEach((one, i) => {
      const cell = find(`memory-${i}-${kind}`);
      const value = one?.[kind];
      const isWhole = kind === "peak" || kind === "together";
      const room = isWhole && value && on ? `, ${isLess(on.memory, value) ? "more than" : "within"} ${shown(on.memory)}` : "";
      cell.textContent = value === undefined ? "—" : shown(value) + room + (kind === "working" ? ` (${one.where})` : "");
      cell.title = value ? `${grouped(nearest("memory", value))} byte` : "";
      if (i === 0) cell.closest("tr").hidden = found.every((other) => other && other[kind] === undefined);
    });
  }
}

// What is beyond what a config was made for, though the formulas hold.
function showUsual(models, symbols) {
  models.forEach((model, i) => {
    const places = model.usual.flatMap(({ left, right }) => [left, right]);
    const order = needed(model.steps, places);
    const known = order.every((step) => typeof model.steps[step] !== "string" || symbols[model.steps[step]] !== undefined);
    const beyond = known ? broken({ conditions: model.usual }, run(model.steps, order, symbols, EXACT), isLess) : undefined;
    find(`usual-${i}`).textContent = beyond ? `beyond what the config allows for, though the formulas hold: ${beyond.text}` : "";
  });
}
