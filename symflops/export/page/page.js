// The page: one function, `update`, computes everything from the controls and the view and shows it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const METRICS = DATA.metrics;
const MODELS = DATA.models;
const SYMBOLS = DATA.symbols;
const AXES = SYMBOLS.filter((symbol) => !symbol.fraction && symbol.name !== "causal").map(({ name }) => name);
const find = (id) => document.getElementById(id);

// What an address may say about how things are shown.
const COLUMNS = ["layer", "runs", "share", ...METRICS.map(({ name }) => name)];
const VIEWS = {
  metric: (said) => METRICS.some(({ name }) => name === said),
  against: (said) => AXES.includes(said),
  sort: (said) => COLUMNS.includes(said),
  descending: (said) => said === "true" || said === "false",
  flat: (said) => said === "true" || said === "false",
  digits: (said) => said === "true" || said === "false",
  theme: (said) => ["auto", "light", "dark"].includes(said),
};
const against = AXES.includes("seq_len") ? "seq_len" : AXES[0] ?? "";
const INITIAL = { metric: "flops", against, sort: "layer", descending: false, flat: false, digits: false, theme: "auto" };
const view = { ...INITIAL };

const controls = SYMBOLS.map((symbol) => new Control(symbol, find("fields"), () => update()));
const tables = MODELS.map((model, i) => new LayerTable(find(`layers-${i}`), model, view, show));

function show(changes) {
  Object.assign(view, changes);
  settle();
  update();
}

// Buttons, boxes and headings as the view says.
function settle() {
  for (const radio of document.querySelectorAll("input[name=metric]")) radio.checked = radio.value === view.metric;
  if (AXES.length) find("against").value = view.against;
  find("flat").checked = view.flat;
  find("digits").checked = view.digits;
  find("theme").value = view.theme;
  document.documentElement.style.colorScheme = view.theme === "auto" ? "" : view.theme;
  for (const table of tables) table.choose();
}

function update() {
  const symbols = values(controls);
  for (const control of controls) {
    if (control.symbol.follows) control.follow(symbols[FOLLOW] === undefined ? FOLLOW : `${text(symbols[FOLLOW])} (${FOLLOW})`);
  }
  const results = MODELS.map((model, i) => attempt(model, symbols, find(`trouble-${i}`)));
  showTotals(results);
  tables.forEach((table, i) => table.show(results[i]));
  showPoint();
  drawCharts(symbols, results);
  remember();
  announce(results);
}

// A model's numbers, or null and the reason beside it: a point outside of what its formula describes has no number.
function attempt(model, symbols, place) {
  try {
    const result = evaluate(model, symbols);
    place.textContent = "";
    return result;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    place.textContent = `${model.name} has no numbers here: ${error.message}`;
    return null;
  }
}

function showTotals(results) {
  METRICS.forEach(({ name, unit }, k) => {
    const first = results[0]?.totals[k];
    results.forEach((result, i) => {
      const number = result?.totals[k];
      find(`total-${i}-${name}`).textContent = number === undefined ? "—" : engineering(number, unit);
      find(`exact-${i}-${name}`).textContent = number === undefined ? "" : grouped(number);
      if (i) find(`ratio-${i}-${name}`).textContent = ratio(number, first);
      if (name === view.metric) find(`short-${i}`).textContent = number === undefined ? "—" : engineering(number, unit);
    });
  });
  results.forEach((result, i) => {
    const [flops, , read, write] = result?.totals ?? [];
    const value = result && read + write > 0n ? Number(flops) / Number(read + write) : undefined;
    find(`intensity-${i}`).textContent = value === undefined ? "—" : `${precise(value)} FLOP/B`;
  });
  find("short-metric").textContent = view.metric;
}

const precise = (x) => (x < 1e6 ? String(Number(x.toPrecision(4))) : x.toExponential(3));

const ratio = (number, first) => (number === undefined || !first ? "" : `× ${Number((Number(number) / Number(first)).toPrecision(3))}`);

// The point in words, for paper.
function showPoint() {
  const words = controls.filter(({ exact }) => exact !== undefined).map(({ symbol, value }) => `${symbol.name} = ${value}`);
  find("point").textContent = words.join(", ");
}

function drawCharts(symbols, results) {
  const doubles = Object.fromEntries(Object.entries(symbols).map(([name, x]) => [name, toNumber(x)]));
  const current = doubles[view.against] ?? 0;
  const { highest, points } = axis(current);
  const k = METRICS.findIndex(({ name }) => name === view.metric);
  const { unit } = METRICS[k];
  const place = { name: view.against, current, points, highest };
  const columns = MODELS.map((model) => {
    const leaves = model.rows.filter((row) => row.leaf).map((row) => row.cells[k]);
    return curve(model, [model.totals[k], ...model.totals.slice(0, 4), ...leaves], doubles, view.against, points);
  });
  const totals = columns.map((column, i) => ({ ys: column.map((y) => y?.[0] ?? 0), now: Number(results[i]?.totals[k] ?? 0) }));
  drawLines(find("chart-total"), totals, { ...place, unit, label: `${view.metric} against ${view.against}, ${summary(totals, unit, points)}` });
  const intensity = ([, flops, , read, write]) => (read + write > 0 ? flops / (read + write) : 0);
  const intensities = columns.map((column, i) => {
    const totals = results[i]?.totals.map(Number);
    return { ys: column.map((y) => (y ? intensity(y) : 0)), now: totals ? intensity([0, ...totals]) : 0 };
  });
  drawLines(find("chart-intensity"), intensities, { ...place, unit: "", label: `FLOP per byte read or written against ${view.against}` });
  MODELS.forEach((model, i) => {
    const parts = columns[i].map((y) => y?.slice(5) ?? null);
    const label = `share of each layer in ${view.metric} against ${view.against}`;
    showLegend(i, drawShares(find(`chart-shares-${i}`), model, view.metric, parts, { ...place, label }), results[i], k);
  });
  find("chart-title").textContent = view.metric;
}

function summary(series, unit, points) {
  return series
    .map(({ ys }, i) => `${MODELS[i].name}: from ${precise(ys[0])} to ${precise(ys.at(-1))} ${unit} at ${points.at(-1)}`)
    .join("; ");
}

// The parts of a stacked chart with what share they have now, in the order in which they are stacked.
function showLegend(i, parts, result, k) {
  const whole = Number(result?.totals[k] ?? 0);
  const items = parts.map(({ name, rows }, color) => {
    const now = whole ? rows.reduce((sum, row) => sum + Number(result.rows[row].cells[k]), 0) / whole : undefined;
    const share = element("span", { class: "number" }, now === undefined ? "—" : `${(now * 100).toFixed(1)} %`);
    return element("li", {}, element("span", { class: `swatch area-${color}`, "aria-hidden": "true" }), element("span", { class: "part", title: name }, element("bdi", {}, name)), share);
  });
  find(`legend-${i}`).replaceChildren(...items.reverse());
}

// ------------------------------------------------------------------------------- what happens a moment after a change

let remembering = 0;

// The address follows: not at once, since browsers refuse hundreds of changes in a few seconds.
function remember() {
  clearTimeout(remembering);
  if (controls.some(({ isInvalid }) => isInvalid)) return; // no point to keep
  remembering = setTimeout(() => {
    const hash = toHash(controls, view, INITIAL);
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }, 150);
}

let speaking = 0;

// Screen readers hear the result when a slider has come to rest, not every step.
function announce(results) {
  clearTimeout(speaking);
  speaking = setTimeout(() => {
    const k = METRICS.findIndex(({ name }) => name === view.metric);
    const words = MODELS.map((model, i) => `${model.name}: ${results[i] ? engineering(results[i].totals[k], METRICS[k].unit) : "no number"}`);
    find("status").textContent = `${view.metric}. ${words.join(". ")}`;
  }, 500);
}

// --------------------------------------------------------------------------------------------------------------- start

for (const radio of document.querySelectorAll("input[name=metric]")) {
  radio.addEventListener("change", () => show({ metric: radio.value }));
}
find("against")?.addEventListener("change", (event) => show({ against: event.target.value }));
find("flat").addEventListener("change", (event) => show({ flat: event.target.checked }));
find("digits").addEventListener("change", (event) => show({ digits: event.target.checked }));
find("theme").addEventListener("change", (event) => show({ theme: event.target.value }));
find("reset").addEventListener("click", () => arrive(""));
find("print").addEventListener("click", () => print());

// Pressing or dragging in a chart sets the symbol on its axis; the slider is the way to do the same by keyboard.
for (const svg of document.querySelectorAll("svg.chart")) {
  const pick = (event) => {
    if (event.buttons & 1) controls.find(({ symbol }) => symbol.name === view.against)?.set(String(svg.pick(event)));
  };
  svg.addEventListener("pointerdown", pick);
  svg.addEventListener("pointermove", pick);
}

function arrive(hash) {
  fromHash(hash, controls, view, INITIAL);
  settle();
  update();
}

addEventListener("hashchange", () => arrive(location.hash));
new ResizeObserver(() => {
  measure();
  drawCharts(values(controls), tables.map(({ result }) => result));
}).observe(find("charts"));
measure();
arrive(location.hash);
