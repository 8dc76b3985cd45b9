// What a config says under the names of a model's symbols, and what it breaks: symflops/trace/config_values.py.

const unfit = (why) => new Refusal(`the config does not fit: ${why}; derive from it instead`);
const USUAL = { head_dim: ["hidden_size", "num_attention_heads"], num_key_value_heads: ["num_attention_heads", "num_attention_heads"] };

// A config's choice as a fact states it: JSON, of objects without what no cost depends on; "" if it is no JSON.
function literalOf(value) {
  const relevant = (x) => {
    if (Array.isArray(x)) return x.map(relevant);
    if (!isObject(x)) return x;
    const made = Object.create(null);
    for (const key of Object.keys(x)) if (!means(key, "irrelevant")) made[key] = relevant(x[key]);
    return made;
  };
  try {
    return dumped(relevant(value));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return "";
  }
}

// The sizes of a config that are symbols, under the names that a derivation gives them.
function sizesOf(config) {
  const found = new Map();
  const taken = new Set(Object.keys(LIBRARY.run));
  for (const [prefix, part] of partsOf(config)) {
    const depths = Object.entries(part.fields).filter(([k, v]) => typeof v === "bigint" && means(k, "depth")).map(([, v]) => v);
    for (const [key, value] of Object.entries(part.fields)) {
      const isList = Array.isArray(value) && depths.includes(BigInt(value.length)) && value.every((v) => typeof v === typeof value[0] && same(v, value[0]));
      const number = isList ? value[0] : value;
      if (typeof number !== "bigint" || number < 2n || !NAME.test(key) || !isSize(key)) continue;
      const name = taken.has(key) ? prefix + key : key;
      if (!taken.has(name)) found.set(name, number);
      taken.add(name);
    }
  }
  return found;
}

class ConfigValues {
  // `symbols` are those of the model with its own numbers, `inCosts` those that some layer's cost depends on.
  constructor(config, { symbols, inCosts, definitions, facts, choices }) {
    Object.assign(this, { symbols, inCosts, definitions, facts, choices });
    this.sizes = sizesOf(config);
    this.lists = new LayerLists(config);
    const numbers = new Map();
    this.fields = new Map();
    for (const [prefix, part] of partsOf(config)) {
      for (const [key, value] of Object.entries(part.fields)) {
        if (typeof value !== "bigint" || value < 0n) continue;
        const name = numbers.has(key) ? prefix + key : key;
        if (!numbers.has(name)) numbers.set(name, value);
      }
      for (const [key, value] of Object.entries(layerFields(part))) {
        for (const name of new Set([key, (prefix || WHOLE) + key])) this.fields.set(name, [...(this.fields.get(name) ?? []), value]);
      }
    }
    const worded = [...this.lists.lists.values()].filter((words) => typeof words[0] === "string").map((words) => words.length);
    const depths = [...numbers].filter(([n]) => symbols.has(n) && means(n, "depth")).map(([, value]) => Number(value));
    this.totals = [...depths, ...worded];
  }

  of(name, small) {
    if (this.sizes.has(name)) return this.sizes.get(name);
    const said = this.fields.get(name);
    const number = said?.find((value) => typeof value === "bigint");
    if (number !== undefined) {
      const isKnown = small && number === 1n;
      if (!isKnown && number < 2n && this.symbols.get(name) >= 2n && this.inCosts.has(name)) {
        throw unfit(`${name} is ${number} there, and a size of ${number} is computed in another way`);
      }
      return number;
    }
    if (said) throw unfit(`${name} is ${oneLine(literalOf(said[0]), 100) || "unknown"} there, not a number`);
    const listed = name.startsWith("num_") ? this.lists.lists.get(name.slice(4)) : undefined;
    return listed ? BigInt(listed.length) : this.layersCounted(name);
  }

  layersCounted(name) {
    const missing = [];
    for (const total of this.totals) {
      for (const types of this.lists.labellings(total)) {
        const kinds = [...new Set(types)];
        if (!kinds.some((kind) => countName(kind) === name)) continue;
        const others = kinds.filter((kind) => !this.definitions.has(countName(kind)));
        if (!others.length) return BigInt(types.filter((kind) => countName(kind) === name).length);
        missing.push(...others);
      }
    }
    throw unfit(missing.length ? `the model has no layers of the type ${quoted(missing[0])}` : `it does not state ${name}`);
  }

  checkFacts() {
    const broken = [];
    const stated = new Map();
    for (const { name, value } of this.facts) stated.set(name, [...(stated.get(name) ?? []), dumped(value)]);
    for (const [name, wanted] of stated) {
      const found = this.fields.has(name) ? this.fields.get(name).map(literalOf) : [wanted.includes("null") ? "null" : "nothing"];
      for (const text of found) {
        if (wanted.includes(text) || this.isOfLayers(name, text)) continue;
        const field = name.startsWith(WHOLE) ? name.slice(WHOLE.length) : name;
        const shown = `${field} == ${oneLine(wanted[0], 120)} (with ${field}=${oneLine(text, 120) || "unknown"})`;
        broken.push({ isList: /^[{[]/.test(text), message: `assumption broken: ${shown}` });
      }
    }
    if (broken.length) throw new Refusal((broken.find(({ isList }) => !isList) ?? broken[0]).message);
  }

  isOfLayers(name, text) {
    const about = this.choices.some(({ statements }) => statements.some((one) => (one.match(/\w+/g) ?? []).includes(name)));
    return about && text === literalOf(this.lists.lists.get(name) ?? null);
  }

  checkChoices() {
    for (const one of this.choices) {
      const layers = saidOfLayers(this.lists, one, this.totals);
      if (layers === undefined) throw unfit(`it has nothing like ${one.statements.join(", ")}`);
      const layer = unseen(one, layers);
      if (layer !== undefined) throw new Refusal(`assumption broken: ${oneLine(one.text, 200)} (with ${oneLine(layer, 120)})`);
    }
  }
}

// The symbol for how many layers of a type there are.
function countName(label) {
  return `num_${label.replace(/[^A-Za-z0-9_]/g, "_")}_layers`;
}

// What a config's lists say of each layer of what a choice is about, as JSON; undefined where they say nothing of it.
function saidOfLayers(lists, one, totals) {
  const lengths = one.statements.map((s) => lists.lists.get(s.replace(/\[i\]$/, ""))?.length ?? 0);
  for (const total of [...lengths, ...totals]) {
    const layers = lists.said(one.statements, total);
    if (layers.length) return layers.map(dumped);
  }
  return undefined;
}

function unseen(one, layers) {
  const seen = new Set(one.seen.map(dumped));
  return layers.find((layer) => !seen.has(layer));
}
