// What the page was given, by name.

const METRICS = DATA.metrics;
const MODELS = DATA.models;
const SYMBOLS = DATA.symbols;
const AXES = SYMBOLS.filter((symbol) => !symbol.fraction && symbol.name !== "causal").map(({ name }) => name);
