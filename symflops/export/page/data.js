// What the page was given, and how to find what is on it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const METRICS = DATA.metrics;
const MODELS = DATA.models;
const SYMBOLS = DATA.symbols;
const AXES = SYMBOLS.filter((symbol) => !symbol.fraction && symbol.name !== "causal").map(({ name }) => name);
const find = (id) => document.getElementById(id);
const all = (css) => document.querySelectorAll(css);
