// The page: one function, `update`, computes everything from the controls and the view and shows it.

// What an address may say about how things are shown.
const isFlag = (said) => said === "true" || said === "false";
const VIEWS = {
  metric: (said) => METRICS.some(({ name }) => name === said),
  against: (said) => AXES.includes(said),
  sort: (said) => said === "layer" || COLUMNS.some(({ key }) => key === said),
  descending: isFlag,
  flat: isFlag,
  digits: isFlag,
  theme: (said) => ["auto", "light", "dark"].includes(said),
  machine: (said) => said === "" || DATA.machines.some(({ name }) => name === said),
  devices: (said) => /^([1-9]\d{0,8})?$/.test(said),
  dtype: (said) => said === "" || DATA.dtypes.some(({ name }) => name === said),
  unfused: isFlag,
};
const INITIAL = {
  metric: "flops", against: AXES.includes("seq_len") ? "seq_len" : AXES[0] ?? "", sort: "layer", descending: false,
  flat: false, digits: false, theme: "auto", machine: DATA.machine, devices: "", dtype: "", unfused: false,
};
const view = { ...INITIAL };

const controls = SYMBOLS.map((symbol) => new Control(symbol, find("fields"), () => update()));
const table = new LayerTable(find("layer-table"), view, show);

function show(changes) {
  Object.assign(view, changes);
  settle();
  update();
}

// Choices, boxes and headings as the view says. A data type that the machine does not state is chosen by the bytes.
function settle() {
  for (const name of ["metric", "against", "theme"]) if (find(name)) find(name).value = view[name];
  for (const name of ["flat", "digits", "unfused"]) find(name).checked = view[name];
  document.documentElement.style.colorScheme = view.theme === "auto" ? "" : view.theme;
  find("hardware").value = view.machine;
  if (document.activeElement !== find("devices")) find("devices").value = view.devices;
  const stated = Object.keys(DATA.machines.find(({ name }) => name === view.machine)?.peak ?? {});
  if (!stated.includes(view.dtype)) view.dtype = "";
  find("dtype").replaceChildren(element("option", { value: "" }, "by dtype_bytes"), ...stated.map((name) => element("option", {}, name)));
  find("dtype").value = view.dtype;
  table.choose();
}

function update() {
  const symbols = values(controls);
  for (const control of controls) if (control.symbol.follows) control.follow(symbols[FOLLOW]);
  const results = MODELS.map((model, i) => attempt(model, symbols, find(`trouble-${i}`)));
  const on = chosenMachine(symbols);
  showTotals(results);
  table.show(results, showBounds(results, on));
  showPoint(on);
  draw = () => drawCharts(symbols, results, on);
  draw();
  remember();
  announce(results);
  afterUpdate(symbols, results, on);
}

let draw = () => {}; // the charts anew as they are, in another width

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

// ------------------------------------------------------------------------------- what happens a moment after a change

let remembering = 0;

// The address follows: not at once, since browsers refuse hundreds of changes in a few seconds.
function remember() {
  clearTimeout(remembering);
  if (controls.some(({ isInvalid }) => isInvalid) || !VIEWS.devices(view.devices)) return; // no point to keep
  remembering = setTimeout(() => {
    if (LIFE.aborted) return;
    const hash = keepAddress(toHash(controls, view, INITIAL));
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
    if (!LIFE.aborted) find("status").textContent = `${view.metric}. ${words.join(". ")}`;
  }, 500);
}

// --------------------------------------------------------------------------------------------------------------- start

const listen = (target, type, act) => target?.addEventListener(type, act, { signal: LIFE, passive: type === "scroll" });

for (const name of ["metric", "against", "theme", "dtype"]) listen(find(name), "change", (event) => show({ [name]: event.target.value }));
for (const name of ["flat", "digits", "unfused"]) listen(find(name), "change", (event) => show({ [name]: event.target.checked }));
listen(find("hardware"), "change", (event) => show({ machine: event.target.value }));
listen(find("devices"), "input", (event) => show({ devices: event.target.value.trim() }));
listen(find("reset"), "click", () => arrive(""));
listen(find("print"), "click", () => print());

// Pressing or dragging in a chart sets the symbol on its axis; the slider is the way to do the same by keyboard.
for (const svg of all("svg.chart")) {
  const pick = (event) => {
    if (event.buttons & 1) controls.find(({ symbol }) => symbol.name === view.against)?.set(String(svg.pick(event)));
  };
  listen(svg, "pointerdown", pick);
  listen(svg, "pointermove", pick);
}

// The contents: a link opens its part and goes there. The address is left alone, which keeps the values.
for (const link of all(".contents a")) {
  listen(link, "click", (event) => {
    event.preventDefault();
    const part = document.querySelector(link.getAttribute("href"));
    part.querySelector("details").open = true;
    part.scrollIntoView();
    part.querySelector("summary").focus({ preventScroll: true });
  });
}

// Which part one is in: the last whose head has passed the strip.
function locate() {
  const links = [...all(".contents a")].filter((link) => link.offsetParent);
  const passed = links.filter((link) => document.querySelector(link.getAttribute("href")).getBoundingClientRect().top < innerHeight / 3);
  const current = passed.at(-1) ?? links[0];
  if (current.hasAttribute("aria-current")) return;
  for (const link of links) link.removeAttribute("aria-current");
  current.setAttribute("aria-current", "true");
  current.parentElement.scrollLeft = current.offsetLeft - 40; // on a narrow screen not all links fit
}
listen(window, "scroll", locate);

function arrive(hash) {
  fromHash(hash, controls, view, INITIAL);
  settle();
  update();
}

listen(window, "hashchange", () => arrive(location.hash));
const resized = new ResizeObserver(() => {
  measure();
  draw();
});
resized.observe(find("charts"));
LIFE.addEventListener("abort", () => resized.disconnect()); // its own signal would remove this listener before
document.documentElement.style.setProperty("--models", MODELS.length); // how many columns stand side by side
measure();
arrive(location.hash);
locate();
