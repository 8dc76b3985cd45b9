// What the page was given, and what it loads before anything is computed.

const SITE = JSON.parse(document.getElementById("data").textContent);
const METRICS = SITE.metrics;
const MOST_MODELS = 4;
const MOST_CONFIG = 1_000_000; // characters; a longer text is no config
let LIBRARY; // formulas, formats, machines, symbols
