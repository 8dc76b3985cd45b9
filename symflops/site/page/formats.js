// Weights in formats: which matrices of a model are kept in which, as symflops/quantization_config.py reads a config and
// symflops/passes/formats.py applies it. What tells single layers apart is left to the command.

const SAID = "weights in formats of their own: ";
const SHOWN = 6;
const MERGED = { gate_up_proj: ["gate_proj", "up_proj"], qkv_proj: ["q_proj", "k_proj", "v_proj"] };
const EXPERT = ["0.gate_proj", "0.up_proj", "0.down_proj"];
const WRAPPERS = ["model", "language_model", "text_model", "transformer", "base_model", "backbone"];
const ALIKE = { block_sparse_moe: "mlp", w1: "gate_proj", w3: "up_proj", w2: "down_proj" };
const COLUMNS_EACH = Symbol("columns"); // all inputs of a matrix share a scale

const rule = (format, ignored, args = {}, kinds = ["linear", "experts"]) => ({ format, ignored, args, kinds });

// What the command can read and this page cannot: never taken for something else.
class BeyondPage extends Refusal {
  constructor(message) {
    super(`${message}; \`symflops total\` does`);
  }

  within(place) {
    return new Refusal(`${place}: ${this.message}`);
  }
}

// The format that somebody chose by its name.
const namedFormat = (name) => ({ ...rule(name, LIBRARY.formats[name].skips), said: name });

// The format that a config states; undefined where it states none.
function statedFormat(config) {
  const stated = partsOf(config).map(([, part]) => part.fields.quantization_config).find(isTrue);
  if (stated === undefined) return undefined;
  if (!isObject(stated)) throw new BeyondPage("this page cannot read a quantization_config that is no object");
  const text = (key) => (typeof stated[key] === "string" ? stated[key] : "");
  const method = text("quant_method").toLowerCase();
  if (!Object.hasOwn(METHODS, method)) {
    const shown = method ? quoted(method.slice(0, 40)) : "of no name";
    throw new BeyondPage(`this page cannot read a quantization_config by the method ${shown}`);
  }
  if (isTrue(stated.kv_cache_quant_algo) || isTrue(stated.kv_cache_scheme)) throw new BeyondPage("this page cannot read what quantization_config says of the KV cache");
  const found = METHODS[method](stated);
  const named = ["quant_algo", "fmt", "format"].map(text).filter(Boolean).map((word) => oneLine(word, 40));
  const words = [...new Set([method, ...named])].join(", ");
  const numbered = ["bits", "w_bit", "num_bits"].filter((key) => typeof stated[key] === "bigint").map((key) => `${stated[key]} bit`);
  const loaded = [4, 8].filter((n) => stated[`load_in_${n}bit`] === true).map((n) => `${n} bit`);
  const others = [...new Set([oneLine(text("quant_method"), 40), ...named, ...numbered, ...loaded])].join(", ");
  return { ...found, said: `the config's ${words}`, otherwise: `the config keeps weights in another format (${others}), which is not counted` };
}

const METHODS = {
  fp8(data) {
    const ignored = orHead(namesOf(data, "modules_to_not_convert"));
    if (!isGiven(data.weight_block_size)) return rule("fp8-tensor", ignored, { input_scale_bytes: data.activation_scheme === "static" ? 4n : 0n });
    const block = data.weight_block_size;
    if (!Array.isArray(block) || block.length !== 2) throw new BeyondPage("this page cannot read its weight_block_size");
    const [block_rows, block_columns] = block.map((size) => positive(size, "weight_block_size"));
    return rule("fp8-block128", ignored, { block_rows, block_columns });
  },
  gptq(data) {
    if (isTrue(data.dynamic)) throw new BeyondPage("this page does not tell single modules apart, to which quantization_config gives formats");
    const ignored = [...(data.lm_head === true ? [] : ["lm_head"]), ...namesOf(data, "modules_to_not_convert")];
    return rule("gptq", ignored, { bits: positive(data.bits, "bits"), group_size: groupOf(data, "group_size") });
  },
  awq(data) {
    const bits = positive("bits" in data ? data.bits : data.w_bit, "bits");
    const group_size = groupOf(data, "group_size" in data ? "group_size" : "q_group_size");
    return rule(data.zero_point === false ? "int4-group128" : "awq", ["lm_head", ...namesOf(data, "modules_to_not_convert")], { bits, group_size });
  },
  bitsandbytes(data) {
    const ignored = orHead(namesOf(data, "llm_int8_skip_modules"));
    if (data.load_in_8bit === true) return rule("bnb-8bit", ignored);
    if (data.load_in_4bit === true) return rule(data.bnb_4bit_use_double_quant === true ? "bnb-4bit-double" : "bnb-4bit", ignored);
    throw new Refusal("bitsandbytes with neither load_in_8bit nor load_in_4bit");
  },
  mxfp4: (data) => rule("mxfp4", namesOf(data, "modules_to_not_convert"), {}, ["experts"]),
};

const orHead = (names) => (names.length ? names : ["lm_head"]);
const groupOf = (data, key) => (!isGiven(data[key]) || same(data[key], -1n) ? COLUMNS_EACH : positive(data[key], key));

function positive(value, key) {
  if (typeof value !== "bigint" || value < 1n || value >= 2n ** 31n) throw new BeyondPage(`this page cannot read the ${key} of quantization_config`);
  return value;
}

function namesOf(data, key) {
  const found = data[key] ?? [];
  if (!Array.isArray(found)) throw new BeyondPage(`this page cannot read the ${key} of quantization_config`);
  for (const name of found) {
    if (typeof name !== "string" || !name) throw new BeyondPage(`this page cannot read the ${key} of quantization_config`);
    if (name.startsWith("re:") || /[?[]/.test(name) || /(^|\.)\d+(\.|$)/.test(name)) {
      throw new BeyondPage(`this page does not tell single modules apart, which ${key} names`);
    }
  }
  return found;
}

// -------------------------------------------------------------------------------------------------- names of modules

function bareName(name) {
  const parts = name.split(".");
  while (parts.length > 1 && WRAPPERS.includes(parts[0])) parts.shift();
  return parts.map((part) => (Object.hasOwn(ALIKE, part) ? ALIKE[part] : part)).join(".");
}

// A pattern with stars as a regular expression of whole names, of modules below them too.
const globOf = (pattern) => new RegExp(`^${pattern.split("*").map((text) => text.replace(/[.+^${}()|\\]/g, "\\$&")).join(".*")}(\\..*)?$`, "s");

function isIgnored(name, className, ignored) {
  const short = bareName(name);
  return ignored.some((text) => {
    if (text.includes("*")) return [text, bareName(text)].some((one) => globOf(one).test(name) || globOf(one).test(short));
    const plain = bareName(text.replace(/^\.+|\.+$/g, ""));
    return `.${short}.`.includes(`.${plain}.`) || plain === className;
  });
}

// The modules that a checkpoint has for one that transformers makes of several.
function storedAs(name, kind) {
  const at = name.lastIndexOf(".");
  const last = name.slice(at + 1);
  if (kind !== "linear") return EXPERT.map((part) => `${name}.${part}`);
  return Object.hasOwn(MERGED, last) ? MERGED[last].map((part) => `${name.slice(0, at)}.${part}`) : [];
}

// Whether a format is for a layer of a model with these matrices.
function isKept(format, kind, name, className) {
  if (!format.kinds.includes(kind) || isIgnored(name, className, format.ignored)) return false;
  const names = storedAs(name, kind);
  return !names.length || names.some((one) => !isIgnored(one, "Linear", format.ignored));
}

// The bytes of one matrix, as a step.
function bytesOf(linker, format, rows, columns) {
  const { bytes, args, order } = LIBRARY.formats[format.format];
  const bound = new Map([["rows", rows], ["columns", columns]]);
  for (const [name, value] of Object.entries(format.args)) bound.set(name, value === COLUMNS_EACH ? columns : linker.number(value));
  for (const name of order) if (!bound.has(name)) bound.set(name, linker.copy(LIBRARY.steps, args[name], bound));
  return linker.copy(LIBRARY.steps, bytes, bound);
}

// What is to be said beside every number.
function formatNote(format, kept, left) {
  const shown = (paths) => {
    const names = [...new Set(paths.map((path) => path.split(".").at(-1)))];
    return names.slice(0, SHOWN).join(", ") + (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "");
  };
  const others = left.length ? `; weight_bytes for ${shown(left)} and whatever is no matrix` : "";
  return `${SAID}${format.format} for ${shown(kept)} (${format.said})${others}`;
}
