// What a config says of each layer of a list, and what names of fields mean: symflops/trace/layer_lists.py and
// symflops/vocabulary/fields.py, on the same table of roles.

const patterns = new Map();

function patternOf(role) {
  if (!patterns.has(role)) patterns.set(role, new RegExp(LIBRARY.roles[role]));
  return patterns.get(role);
}

const means = (name, ...roles) => roles.some((role) => patternOf(role).test(name));
const without = (name, role) => name.replace(new RegExp(patternOf(role), "g"), "");

function isSize(key) {
  const name = without(key, "per_layer");
  return !means(name, "chunk") && (!means(name, "no_size") || means(name, "size"));
}

// The fields of a config, that which comes first in a derivation first.
function layerFields(part) {
  const made = Object.create(null);
  if ("layer_types" in part.fields) made.layer_types = part.fields.layer_types;
  return Object.assign(made, part.computed, part.fields);
}

const wordOf = (value) => (value === null ? "None" : typeof value === "boolean" ? "bool" : typeof value);
const isSaid = (value) => value === null || ["string", "boolean", "bigint", "number"].includes(typeof value);

class LayerLists {
  constructor(config) {
    Object.assign(this, { lists: new Map(), counts: new Map(), depths: new Map(), part: new Map() });
    for (const [prefix, part] of partsOf(config)) {
      for (const [key, value] of Object.entries(layerFields(part))) {
        if (means(key, "not_of_layers")) continue;
        const name = this.part.has(key) ? prefix + key : key;
        if (typeof value === "bigint" && means(key, "depth")) {
          this.depths.set(prefix, (this.depths.get(prefix) ?? new Set()).add(Number(value)));
        }
        if (typeof value === "bigint" && value > 0n && means(key, "leading", "trailing")) {
          this.counts.set(name, Number(value));
          this.part.set(name, prefix);
        } else if (Array.isArray(value) && value.length && value.every(isSaid)) {
          this.lists.set(name, value);
          this.part.set(name, prefix);
        }
      }
    }
  }

  // What each part of the config says of each of so many layers: in words first, then by places, then in numbers.
  statements(total) {
    if (total > MOST_LAYERS) return [];
    const worded = new Set([...this.lists].filter(([, v]) => v.length === total && typeof v[0] === "string").map(([k]) => this.part.get(k)));
    const parts = [...new Set(this.part.values())];
    return parts.filter((p) => worded.has(p) || !this.depths.has(p) || this.depths.get(p).has(total)).map((p) => this.ofPart(p, total));
  }

  ofPart(prefix, total) {
    const found = [[], [], [], [], []];
    for (const [key, values] of this.lists) {
      if (this.part.get(key) !== prefix) continue;
      const stem = without(key, "layer_places_ending");
      if (arePlaces(key, values, total)) {
        const among = Array.from({ length: total }, (_, i) => values.includes(BigInt(i)));
        found[1].push(statement(`i in ${key}`, key, among, among.map((a) => (a ? stem : "other"))));
      } else if (values.length === total) {
        if (means(key, "experts") && values.every((v) => typeof v === "bigint")) {
          const some = values.map((v) => v > 1n);
          found[1].push(statement(`${key}[i] > 1`, key, some, some.map((v) => (v ? "experts" : "dense"))));
          continue;
        }
        const words = values.every((v) => v === null || typeof v === "string") && values.some(isTrue);
        const labels = words ? values.map((v) => v || "other") : values.map((v) => `${stem}_${dumped(v)}`);
        found[words ? 0 : 2].push(statement(`${key}[i]`, key, values, labels));
        const kinds = [...new Set(values)];
        if (words && kinds.length > 1) found[4].push(...kinds.filter(isTrue).map((word) => firstOf(key, values, word)));
      }
    }
    for (const [key, number] of this.counts) {
      if (this.part.get(key) === prefix && number < total) {
        const leads = means(key, "leading");
        found[3].push(leading(leads ? `i < ${key}` : `i < n - ${key}`, key, leads ? number : total - number, total));
      }
    }
    found[3].push(leading("i < 1", "", 1, total));
    return found.flat();
  }

  // Names for so many layers, from one list's words or from several statements together.
  *labellings(total) {
    for (let size = 1; size <= 3; size += 1) {
      for (const statements of this.statements(total)) {
        const telling = statements.filter((s) => new Set(s.values.map((v) => wordOf(v) + String(v))).size > 1);
        for (const some of combinations(telling, size)) {
          const names = Array.from({ length: total }, (_, i) => some.map((s) => s.labels[i]).filter(Boolean).join("_"));
          if (some.some((s) => s.isList) && names.every(Boolean)) yield names;
        }
      }
    }
  }

  // What these statements are of each of so many layers; [] if the config does not make them, or has too many layers.
  said(statements, total) {
    if (total > MOST_LAYERS) return [];
    const all = this.statements(total).flat();
    const known = new Map([end(total), ...all].map((s) => [s.text, s.values]));
    if (!statements.every((text) => known.has(text))) return [];
    const one = statements.length === 1 && statements[0].endsWith("[i]");
    return Array.from({ length: total }, (_, i) => (one ? known.get(statements[0])[i] : statements.map((text) => known.get(text)[i])));
  }
}

const statement = (text, key, values, labels, isList = true) => ({ text, key, values, labels, isList });

function leading(text, key, first, total) {
  const values = Array.from({ length: total }, (_, i) => i < first);
  return statement(text, key, values, values.map((v) => (v ? "first" : "later")), false);
}

function firstOf(key, values, word) {
  const firsts = values.map((_, i) => i === values.indexOf(word));
  const labels = firsts.map((f, i) => (values[i] === word ? (f ? "first" : "later") : ""));
  return statement(`i == ${key}.index("${word}")`, key, firsts, labels, false);
}

const end = (total) => leading("i < n - 1", "", total - 1, total);

// Whether numbers are places among so many layers, and not a word for each.
function arePlaces(key, values, total) {
  if (!means(key, "layer_places") || !values.every((v) => typeof v === "bigint")) return false;
  if (values.length === total && total <= 2) return false;
  return values.every((v, i) => i === 0 || v > values[i - 1]) && values[0] >= 0n && values.at(-1) < BigInt(total);
}

function* combinations(items, size, start = 0) {
  if (size === 0) yield [];
  else for (let i = start; i < items.length; i += 1) for (const rest of combinations(items, size - 1, i + 1)) yield [items[i], ...rest];
}
