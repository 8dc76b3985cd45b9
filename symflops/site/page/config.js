// A config.json becomes the config that its class would make of it: symflops/atlas/plain.py and rope.py, on the same data.

const UNKNOWN = Symbol("unknown"); // what nobody knows: equal to nothing
const DECODERS = ["decoder", "generator", "text_config"];
const ROPE = "rope_parameters";
const SHARE = "partial_rotary_factor";
const ROPE_STATED = ["rope_theta", "rope_scaling", SHARE];
const STRETCHED = ["llama3", "yarn", "longrope"];

class Config {
  constructor(kind, fields, computed) {
    Object.assign(this, { kind, fields, computed }); // computed: lists of its layers that are none of its fields
  }

  get(name) {
    return this.fields[name] ?? this.fields[this.kind.aliases[name]];
  }

  get decoder() {
    const name = DECODERS.find((one) => this.fields[one] instanceof Config);
    return name ? this.fields[name] : this;
  }
}

// The config and those inside it, with the prefix of each: "", "text_", …
function partsOf(config, prefix = "") {
  const found = [[prefix, config]];
  for (const [key, value] of Object.entries(config.fields)) {
    if (value instanceof Config) found.push(...partsOf(value, prefix + key.replace(/config$/, "")));
  }
  return found;
}

const isGiven = (x) => x !== undefined && x !== null;

function configOf(stated, key, classes) {
  const kind = classes[key];
  if (isTrue(stated.per_layer_config)) throw new Refusal("per_layer_config is stated, of which the atlas knows nothing");
  const fields = copied(kind.defaults);
  const more = Object.create(null);
  for (const [name, value] of Object.entries(stated)) {
    if (name.startsWith("_") || kind.dropped.includes(name) || name === "model_type" || name === "torch_dtype") continue;
    const own = kind.aliases[name] ?? name;
    if (own !== name && own in stated && !same(stated[own], value)) throw new Refusal(`${own} is stated twice, as ${name}, too, and is not the same`);
    (own in kind.defaults ? fields : more)[own] = copied(value);
  }
  for (const rule of kind.rules) {
    if (isTrue(rule.of_layers) && rule.field in stated) throw new Refusal(`${rule.field} is stated, which the type ${kind.model_type} computes`);
  }
  const beside = readBeside(more, kind);
  const extra = Object.create(null);
  for (const [name, value] of Object.entries(more)) if (!isRope(name, kind)) extra[name] = value;
  if (isGiven(stated.torch_dtype) && !isGiven(fields.dtype)) fields.dtype = stated.torch_dtype;
  if ("id2label" in fields) {
    const labels = fields.id2label;
    const said = extra.num_labels;
    if (isObject(labels)) fields.num_labels = BigInt(Object.keys(labels).length);
    else {
      delete extra.num_labels;
      fields.num_labels = isTrue(said) ? said : 2n;
    }
  }
  makeParts(fields, kind, classes, extra);
  // What its rules are about: its fields, what it reads beside them, what the configs inside it say, and fields that
  // are stated under another name, which some classes read after they computed others.
  const others = Object.create(null);
  for (const name of Object.keys(kind.aliases)) others[name] = stated[name] ?? null;
  Object.assign(others, ofParts(fields, kind));
  const about = () => Object.assign(Object.create(null), others, fields, beside);
  // What is stated as null under another name is so after the class computed.
  const nulled = new Set(Object.entries(kind.aliases).filter(([name]) => stated[name] === null).map(([, own]) => own));
  for (const rule of kind.rules) {
    if ((isGiven(fields[rule.field]) || nulled.has(rule.field)) && !isTrue(rule.always)) continue;
    fields[rule.field] = ruled(rule.rule, about());
  }
  if (kind.rope !== null) {
    const share = kind.rope.share;
    const isShared = isTrue(share) && isGiven(beside[share.by]);
    if (ropeWays(stated).some((way) => kind.rope.unsure.includes(way)) || (isShared && SHARE in stated)) {
      throw new Refusal(`the type ${kind.model_type} has a way of its own to read ${ROPE}`);
    }
    const given = isShared ? Object.assign(Object.create(null), stated, { [SHARE]: evaluateRule(share.rule, about()) }) : stated;
    fields[ROPE] = ropeParameters(given, fields, kind.rope);
  }
  Object.assign(fields, extra);
  for (const name of ["layer_types", "mtp_layer_types"]) {
    if (Array.isArray(fields[name])) fields[name] = fields[name].filter((word) => typeof word === "string").map((word) => kind.renamed[word] ?? word);
  }
  const computed = Object.create(null);
  for (const { field } of kind.rules.filter((rule) => isTrue(rule.of_layers))) {
    if (fields[field] !== UNKNOWN) computed[field] = fields[field];
    delete fields[field];
  }
  return new Config(kind, fields, computed);
}

function ruled(rule, fields) {
  if (rule === "?") return UNKNOWN;
  try {
    return evaluateRule(rule, fields);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return UNKNOWN; // what depends on it is refused, and nothing else
  }
}

const isRope = (name, kind) =>
  kind.rope !== null && ROPE_STATED.includes(name) && !(kind.rope.kept ?? []).includes(name);

function typeWord(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  return { boolean: "bool", bigint: "int", number: "float", string: "str" }[typeof value] ?? "dict";
}

// What is stated under names that a class reads though they are no fields of it, which it may not keep.
function readBeside(more, kind) {
  const found = Object.create(null);
  for (const [name, one] of Object.entries(kind.beside ?? {})) {
    if (name in more && !one.of.includes(typeWord(more[name]))) {
      throw new Refusal(`${name} is stated, which the type ${kind.model_type} reads in a way of its own`);
    }
    found[name] = more[name] ?? null;
    if (isTrue(one.popped)) delete more[name];
  }
  return found;
}

// What the configs inside one say, by names such as text_config.hidden_size.
function ofParts(fields, kind) {
  const found = Object.create(null);
  for (const name of Object.keys(kind.parts)) {
    if (!(fields[name] instanceof Config)) continue;
    for (const [key, value] of Object.entries(fields[name].fields)) found[`${name}.${key}`] = value;
  }
  return found;
}

function makeParts(fields, kind, classes, extra) {
  for (const [name, part] of Object.entries(kind.parts)) {
    let given = fields[name] ?? null;
    const inner = classes[part.class];
    const over = isTrue(part.over) ? (extra[`${name}_dict`] ?? null) : null;
    if (isTrue(part.over)) delete extra[`${name}_dict`];
    if (given === null && over === null && isTrue(part.flat)) given = flatPart(name, part, inner, extra);
    if (given === null && over === null && isTrue(part.optional)) continue;
    if ([given, over].some((one) => one !== null && !isObject(one))) throw new Refusal(`${name} is no object`);
    const usual = copied(part.values ?? Object.create(null));
    let values = given === null ? usual : isTrue(part.filled) ? Object.assign(usual, given) : given;
    if (over !== null) {
      const unknown = Object.entries(values).filter(([key]) => !isKnown(key, inner));
      values = Object.assign(Object.create(null), Object.fromEntries(unknown), over);
    }
    let key = part.class;
    if (isTrue(part.by_type) && !same(values.model_type ?? key, key)) {
      key = typeof values.model_type === "string" ? values.model_type : dumped(values.model_type);
      if (!(key in classes)) throw new Refusal(`${name} is of the type ${quoted(key.slice(0, 60))}, which it has no part of in the atlas`);
    }
    try {
      fields[name] = configOf(values, key, classes);
    } catch (error) {
      throw error instanceof Refusal ? error.within(name) : error;
    }
  }
}

const isKnown = (name, kind) => name in kind.defaults || name in kind.aliases || ROPE_STATED.includes(name);

// A part whose fields are stated beside it; null where none of them is.
function flatPart(name, part, inner, extra) {
  const found = Object.keys(extra).filter((key) => key in inner.defaults || ROPE_STATED.includes(key));
  if (found.length && part.flat === "?") {
    throw new Refusal(`${found[0]} is stated without ${name}, which the type may read in a way of its own`);
  }
  const made = Object.create(null);
  for (const key of found) {
    made[key] = extra[key];
    delete extra[key];
  }
  return found.length ? made : null;
}

// ------------------------------------------------------------------------------------------------- rotary embeddings

const either = (...values) => values.find(isTrue);

function ropeWays(stated) {
  const given = either(stated.rope_scaling, stated[ROPE]);
  const part = isGiven(stated.partial_rotary_factor) ? ["partial"] : [];
  if (!isObject(given)) return ["none", ...part];
  if (Object.values(given).some(isObject)) return ["nested", ...part];
  if (!isTrue(stated.rope_scaling)) return ["flat", ...part];
  return ["rope_type" in given ? "scaled" : "legacy", ...part];
}

function ropeParameters(stated, fields, known) {
  const given = either(stated.rope_scaling, fields[ROPE]) ?? known.usual ?? null;
  if (given !== null && !isObject(given)) throw new Refusal(`${ROPE} is no object`);
  const found = copied(given ?? Object.create(null));
  const part = ("partial_rotary_factor" in stated ? stated : fields).partial_rotary_factor;
  const labels = "nested" in known ? known.nested : fields.layer_types;
  const isLabel = (key) => (Array.isArray(labels) ? labels.includes(key) : isObject(labels) && key in labels);
  const nested = Object.keys(found).filter(isLabel);
  for (const one of nested.length ? nested.map((key) => found[key]) : [found]) {
    if (one === null) continue;
    if (!isObject(one)) throw new Refusal(`${ROPE} is no object`);
    settleRope(one, part, fields, known, nested.length > 0);
  }
  if (!("nested" in known) || nested.length) return found;
  const made = Object.create(null); // of a type of layers each, of which some have what is stated
  for (const [kind, one] of Object.entries(known.nested)) made[kind] = copied(one === "stated" ? found : one);
  return made;
}

function settleRope(one, part, fields, known, isNested) {
  const usually = (name, value) => {
    if (!(name in one)) one[name] = value;
  };
  usually("rope_type", "type" in one ? one.type : "default");
  if (isGiven(part)) usually("partial_rotary_factor", part);
  for (const [name, value] of Object.entries(known.with ?? {})) usually(name, copied(value));
  if (known.type !== "default" && one.rope_type === "default") one.rope_type = known.type;
  if (STRETCHED.includes(one.rope_type)) {
    if (!isNested && isGiven(fields.original_max_position_embeddings)) {
      one.original_max_position_embeddings = fields.original_max_position_embeddings;
    } else usually("original_max_position_embeddings", fields.max_position_embeddings ?? null);
  }
  if (typeof one.rope_type === "string") one.rope_type = known.types?.[one.rope_type] ?? one.rope_type;
}

// Puts for numbers that no cost depends on those with which a model was derived.
function standIn(config, free) {
  const every = [config, ...Object.values(config.fields).filter((part) => part instanceof Config)];
  for (const one of free) {
    const [outer, key] = [one.path.slice(0, -1), one.path.at(-1)];
    for (const part of every) {
      let holder = part.fields;
      for (const name of outer) holder = isObject(holder) ? holder[name] : undefined;
      if (!isObject(holder) || ("type" in one && holder.rope_type !== one.type)) continue;
      const value = holder[key];
      const isTried = (x) => isNumber(x) && one.from <= x && x <= one.to;
      if (Array.isArray(one.stands)) {
        if (Array.isArray(value) && value.length === one.stands.length && value.every(isTried)) holder[key] = one.stands;
        continue;
      }
      if (!isNumber(value)) continue;
      if (isTried(value) && !one.not.some((other) => same(other, value))) holder[key] = one.stands;
      else if (typeof one.stands === "number") holder[key] = Number(value);
    }
  }
}
