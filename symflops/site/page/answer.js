// A config is answered from an entry of the atlas, or it is said in one line which condition it breaks:
// symflops/atlas/answer.py.

const MOST_BITS = 1024n;
const TEXT_SIZES = ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"];
const WHOLE = "whole_"; // before a field of the config itself, where a part of it has another value

// The model of a config, ready for `ModelLink`: {data, symbols, conditions, notes, dtype, usual}.
function answerFrom(entry, program, stated, name) {
  const within = (act) => {
    try {
      return act();
    } catch (error) {
      throw error instanceof Refusal ? error.within(name) : error;
    }
  };
  const { config, named } = within(() => madeOf(entry, stated));
  const [base, ...changes] = entry.models[named];
  standIn(config, base.free ?? []);
  const dtype = config.fields.dtype ?? null;
  if (base.dtypes && !base.dtypes.some((one) => same(one, dtype))) {
    const usual = literalOf(base.dtypes.at(-1));
    throw new Refusal(`assumption broken: dtype == ${usual} (with dtype=${oneLine(literalOf(dtype), 100)})`).within(name);
  }
  const said = saidFields(config);
  const lists = new LayerLists(config);
  for (const [key, values] of lists.lists) said.set(`num_${key}`, new Set([String(values.length)]));
  const depths = new Set([...lists.depths.values()].flatMap((some) => [...some]));
  const says = (text) => {
    const choice = choiceOf(text);
    if (choice) {
      const layers = saidOfLayers(lists, choice, depths);
      return layers !== undefined && unseen(choice, layers) === undefined;
    }
    const saying = (name) => said.get(name) ?? new Set(["null"]);
    const relation = relationOf(text);
    if (relation) {
      const { one, sign, other } = relation;
      const [here, there] = [saying(one), /^\d+$/.test(other) ? new Set([other]) : saying(other)];
      const isShared = [...here].some((value) => there.has(value));
      return sign === "==" ? here.size === there.size && [...here].every((value) => there.has(value)) : !isShared;
    }
    const [field, value] = expected(text);
    const found = saying(field);
    return [...found].every((one) => one === value);
  };
  const lacks = (text) => {
    const choice = choiceOf(text);
    const layers = choice && saidOfLayers(lists, choice, depths);
    return layers !== undefined && !choice.seen.map(dumped).every((one) => layers.includes(one));
  };
  const data = fitting(base, changes, { says, lacks }, new Set(program.said));
  const apart = "the choices that the config makes change the same places of the model, or were not derived together";
  if (!data) throw new Refusal(apart).within(name);
  data.length = program.lengths[named];
  return bind(data, program, config, name, entry, within);
}

function madeOf(entry, stated) {
  const given = isTrue(stated.architectures) ? stated.architectures : [entry.default];
  const named = typeof given === "string" ? [given] : given;
  if (!Array.isArray(named) || !named.every((one) => typeof one === "string")) throw new Refusal("architectures: expected a list of names of classes");
  const alike = (entry.other_letters ?? []).find((name) => name.toLowerCase() === named[0].toLowerCase());
  const isOfParts = Object.keys(entry.classes[entry.type].parts).length > 0;
  const isAlike = alike !== undefined && !(isOfParts && TEXT_SIZES.some((key) => key in stated));
  const chosen = isAlike ? alike : named[0];
  if (!Object.keys(entry.models).some((name) => name.split(" ")[0] === chosen)) throw new Refusal(`the atlas has no ${chosen.slice(0, 80)} of the type ${entry.type}`);
  const config = configOf(stated, entry.type, entry.classes);
  for (const [, part] of partsOf(config)) {
    const given = part.fields[ROPE];
    if (isObject(given) && "rope_type" in given) delete given.type;
  }
  dropUnknown(config, askedIn(entry));
  const ofParts = withParts(chosen, config, entry);
  if (!(ofParts in entry.models)) throw new Refusal(`the atlas has no ${ofParts.slice(0, 160).replace(" ", " with ")}`);
  const { dtype } = config.fields;
  const ofDtype = typeof dtype === "string" ? `${ofParts} dtype=${dtype}` : ofParts;
  return { config, named: ofDtype in entry.models ? ofDtype : ofParts };
}

// A class of models with the types of a config's parts, where these are none of the usual ones.
function withParts(named, config, entry) {
  const others = [];
  for (const [, one] of partsOf(config)) {
    for (const [name, about] of Object.entries(one.kind.parts)) {
      const part = one.fields[name];
      if (part instanceof Config && isTrue(about.by_type) && part.kind !== entry.classes[about.class]) others.push(`${name}=${part.kind.model_type}`);
    }
  }
  return [named, ...others.sort()].join(" ");
}

// The fields that a model's source asked for where a config did not state them.
function askedIn(entry) {
  const texts = Object.values(entry.models).flat().flatMap((one) => one.assumes ?? one.lists?.assumes?.[1] ?? []);
  return new Set(texts.filter((text) => text.endsWith(" == null")).map((text) => text.slice(0, -" == null".length)));
}

// Takes a size out of a config inside another one that its class does not know, and that another part has otherwise, or
// refuses it where a source asked for it.
function dropUnknown(config, asked) {
  const all = partsOf(config);
  for (const [prefix, part] of all.slice(1)) {
    const { defaults, beside, rules } = part.kind;
    for (const [name, value] of Object.entries(part.fields)) {
      const isKnown = name in defaults || name in (beside ?? {}) || rules.some((rule) => rule.field === name);
      if (typeof value !== "bigint" || isKnown || !isSize(name)) continue;
      const others = all.filter(([, other]) => other !== part && name in other.kind.defaults).map(([, other]) => other.fields[name] ?? null);
      if (others.every((other) => other === value)) continue;
      if (asked.has(name) || asked.has(prefix + name)) throw new Refusal(`${prefix}config states ${name} = ${value}, which its class does not know`);
      delete part.fields[name];
    }
  }
}

// What a config and those inside it say under each name, as JSON.
function saidFields(config) {
  const found = new Map();
  for (const [prefix, part] of partsOf(config)) {
    for (const [key, value] of Object.entries(part.fields)) {
      for (const name of new Set([key, (prefix || WHOLE) + key])) found.set(name, (found.get(name) ?? new Set()).add(literalOf(value)));
    }
  }
  return found;
}

function bind(data, program, config, name, entry, within) {
  for (const [prefix, key, needed] of data.needs ?? []) {
    const part = partsOf(config).find(([one]) => one === prefix)?.[1] ?? config;
    const value = key in part.fields ? part.fields[key] : UNKNOWN;
    if (value !== UNKNOWN && same(value, needed)) continue;
    const said = value === UNKNOWN ? "unknown" : oneLine(literalOf(value), 100);
    throw new Refusal(`assumption broken: ${key} == ${literalOf(needed)} (with ${key}=${said})`).within(name);
  }
  const own = ownSymbols(data, program);
  const assumes = data.assumes ?? [];
  const choices = assumes.filter((text) => !factOf(text)).map(choiceOf).filter(Boolean);
  const free = new ModelLink(data, program, new Map());
  const inCosts = free.linker.names(free.rows.flatMap(({ one }) => one ?? []));
  const symbols = within(() => {
    const values = new ConfigValues(config, { symbols: own, inCosts, definitions: new Set(Object.keys(data.symbols)), facts: assumes.map(factOf).filter(Boolean), choices });
    const numberOf = (symbol) => (isSettled(symbol, values) ? own.get(symbol) : values.of(symbol, (data.ones ?? []).includes(symbol)));
    const found = new Map([...own.keys()].map((symbol) => [symbol, numberOf(symbol)]));
    values.checkFacts();
    values.checkChoices();
    checkFirst(choices, own, found);
    checkStages(choices, own, values);
    return found;
  });
  for (const [symbol, value] of symbols) {
    if (value < 0n) throw new Refusal(`${symbol} = ${value}: must be a nonnegative integer`);
    if (bits(value) > MOST_BITS) throw new Refusal(`${symbol}: integer of more than 1024 bits`);
  }
  const compared = assumes.filter((text) => !factOf(text) && !choiceOf(text));
  within(() => compared.forEach((text) => checkKnown(text, program, symbols)));
  const notes = [...(data.notes ?? []), ...unread(config), ...inOtherLetters(config, entry), entry.said];
  return { name, data, symbols, compared, notes, dtype: dtypeOf(config), usual: madeFor(config, compared, program), config };
}

// A note on a class that transformers has in other letters alone.
function inOtherLetters(config, entry) {
  const given = config.fields.architectures ?? [];
  const named = typeof given === "string" ? given : (given[0] ?? "");
  const used = Object.keys(entry.models).filter((name) => name.toLowerCase() === named.toLowerCase() && name !== named);
  return used.map((name) => `architectures names ${named}, which transformers does not have: ${name} is used for it`);
}

// A model was derived with one layer of the kind of its first one: of a config with more nobody saw what the others are.
function checkFirst(choices, own, found) {
  for (const { seen: [first, ...others] } of choices) {
    if (typeof first !== "string" || !others.length) continue;
    const name = countName(first);
    if (own.get(name) !== 1n || !((found.get(name) ?? 0n) > 1n)) continue;
    throw unfit(`of its ${found.get(name)} layers of the type ${quoted(first)} the first alone was derived`);
  }
}

const isStageSize = (value) => typeof value === "bigint" && value > 1n;

// The symbols for how many stages of a size there are; whether no other number of modules is a symbol.
function countsOfStages(choices) {
  const found = new Set();
  for (const { statements, seen } of choices) {
    statements.forEach((statement, place) => {
      const sizes = seen.map((said) => (Array.isArray(said) ? said[place] : said)).filter(isStageSize);
      const stem = without(statement.replace(/\[i\]$/, ""), "layer_places_ending");
      sizes.forEach((size) => found.add(countName(`${stem}_${size}`)));
    });
  }
  return found;
}

function areCountsOfStages(choices, own) {
  const known = countsOfStages(choices);
  return [...own.keys()].every((name) => !/^num_.*_layers$/.test(name) || known.has(name));
}

// A config has the stages that were derived, where no other number of modules is a symbol: as many of each, in this order.
function checkStages(choices, own, values) {
  if (!areCountsOfStages(choices, own)) return;
  for (const choice of choices) {
    const seen = choice.seen.map(dumped);
    const layers = saidOfLayers(values.lists, choice, values.totals) ?? [];
    const isOfSizes = choice.seen.some((said) => (Array.isArray(said) ? said : [said]).some(isStageSize));
    if (!isOfSizes || (layers.length === seen.length && seen.every((one, i) => one === layers[i]))) continue;
    throw unfit(`its ${choice.statements.join(", ")} are not ${oneLine(seen.join(", "), 100)}, in this order`);
  }
}

// Whether a symbol is a number of modules that no config states, of a model in which no number of layers is a symbol.
function isSettled(symbol, { symbols, fields, lists, facts, choices }) {
  if (countsOfStages(choices).has(symbol) && !fields.has(symbol)) return areCountsOfStages(choices, symbols);
  const areFacts = [...lists.lists.keys()].every((key) => facts.some(({ name }) => name === key));
  const isDepth = (name) => fields.has(name) && means(name, "depth");
  return /^num_.*_layers$/.test(symbol) && !fields.has(symbol) && areFacts && ![...symbols.keys()].some(isDepth);
}

// The numbers that a model file has itself for its symbols.
function ownSymbols(data, program) {
  const found = new Map();
  const link = new Linker();
  const number = (name, open) => {
    if (found.has(name)) return found.get(name);
    const said = data.symbols[name] ?? null;
    if (said === null || open.has(name)) return undefined;
    if (typeof said === "bigint") return found.set(name, said).get(name);
    const place = program.texts[said];
    const bound = new Map();
    for (const other of namesIn(program, [place])) {
      const value = number(other, new Set([...open, name]));
      if (value === undefined) return undefined;
      bound.set(other, link.number(value));
    }
    return found.set(name, link.known(link.copy(program.steps, place, bound))).get(name);
  };
  const named = Object.keys(data.symbols).filter((name) => number(name, new Set()) !== undefined);
  return new Map(named.map((name) => [name, found.get(name)]));
}

// Refuses what a condition on the config's numbers alone does not allow.
function checkKnown(text, program, symbols) {
  const { left, sign, right } = program.sides[text];
  const names = [...namesIn(program, [left, right])].sort();
  if (!names.every((name) => symbols.has(name))) return checkLeast(text, names, program, symbols);
  const values = Object.fromEntries([...symbols]);
  let holds = false;
  try {
    const found = run(program.steps, needed(program.steps, [left, right]), values, EXACT);
    const [a, b] = [found[left], found[right]];
    holds = HOLDS[sign](isLess(a, b) ? -1 : isLess(b, a) ? 1 : 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // where a side has no number it is broken
  }
  if (!holds) throw new Refusal(`assumption broken: ${text} (with ${names.map((name) => `${name}=${symbols.get(name)}`).join(", ")})`);
}

// Refuses a condition on symbols of a call that none of their values can hold any more: symflops/domain.py.
function checkLeast(text, names, program, symbols) {
  const { left, sign, right } = program.sides[text];
  const values = Object.create(null);
  for (const name of names) {
    const own = symbols.has(name) ? Polynomial.number(symbols.get(name)) : Polynomial.atom(name, {});
    values[name] = !symbols.has(name) && LIBRARY.run[name]?.lowest > 0 ? own.plus(Polynomial.number(1n)) : own;
  }
  let found;
  try {
    found = run(program.steps, needed(program.steps, [left, right]), values, SYMBOLIC);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a side has no number, which is told when it is asked for one
    return;
  }
  const [least, most] = { "<": [left, right], ">": [right, left] }[sign[0]] ?? [];
  if (least === undefined) return;
  const room = sign.length === 1 ? 0n : 1n; // at least as much more is too much
  if (!isAtLeast(found[least], found[most].plus(Polynomial.number(room)))) return;
  const known = names.filter((name) => symbols.has(name)).map((name) => `${name}=${symbols.get(name)}`);
  throw new Refusal(`assumption broken: ${text} (with ${known.join(", ")})`);
}

function dtypeOf(config) {
  for (const part of [config, config.decoder]) {
    const stated = typeof part.fields.dtype === "string" ? part.fields.dtype.replace(/^torch\./, "") : "";
    if (Object.hasOwn(LIBRARY.element, stated)) return stated;
  }
  return "";
}

// The longest sequence that a config names, where no table ends there.
function madeFor(config, compared, program) {
  const longest = config.decoder.get("max_position_embeddings");
  const ends = compared.some((text) => {
    const { left, sign, right } = program.sides[text];
    const side = { "<=": left, ">=": right }[sign];
    return side !== undefined && namesIn(program, [side]).has("seq_len");
  });
  return typeof longest !== "bigint" || longest < 1n || ends ? undefined : longest;
}

// A note on sizes beside the configs of a model's parts that no class of them knows.
function unread(config) {
  const [, ...others] = partsOf(config).map(([, part]) => part);
  const known = new Set([...Object.keys(config.kind.defaults), ...config.kind.rules.map(({ field }) => field)]);
  const own = Object.entries(config.fields).filter(([n, v]) => typeof v === "bigint" && v > 1n && isSize(n) && !known.has(n));
  const nowhere = own.filter(([n]) => !others.some((part) => n in part.fields)).map(([n, v]) => `${n} = ${v}`);
  if (!others.length || !nowhere.length) return [];
  const shown = nowhere.slice(0, 8).join(", ") + (nowhere.length > 8 ? ` and ${nowhere.length - 8} more` : "");
  return [`nothing reads these fields of the config, which the type ${config.kind.model_type} does not know: ${shown}`];
}

// A model file that comes with symflops, as an answer.
function answerOfFile(data, program, name) {
  const compared = (data.assumes ?? []).filter((text) => !factOf(text) && !choiceOf(text));
  data.length = program.lengths[""];
  return { name, data, symbols: ownSymbols(data, program), compared, notes: data.notes ?? [], dtype: data.dtype ?? "", expects: data.expects ?? [] };
}

// What the report's scripts read of an answer; its weights are in the format that is chosen, or that its config states, and
// where it is `trained` it is a step of training.
function modelOf(answer, program, chosen, trained = false) {
  try {
    const format = chosen ? namedFormat(chosen) : answer.config && statedFormat(answer.config);
    const link = new ModelLink(answer.data, program, answer.symbols, format);
    link.isFedTokens = link.linker.names(link.rows.flatMap(({ one }) => one ?? [])).has("seq_len");
    const why = format && !link.formatted.length ? `no layer has weights that ${format.said} is for` : "";
    if (why && chosen) throw new Refusal(why);
    const without = `${format?.otherwise}: ${why}; here each counts weight_bytes, by default dtype_bytes`;
    const notes = format ? [why ? without : formatNote(format, link.formatted, link.left), ...answer.notes] : answer.notes;
    const conditions = conditionsOf(answer, program, link, trained);
    if (!trained) return { ...link.result(answer.name, conditions, notes), answer, usual: usualOf(answer, program, link) };
    const held = trainingOf(link);
    const said = [`a step of training: ${LIBRARY.training}`, `the loss is ${held.loss}`];
    const made = link.result(answer.name, conditions, [...said, ...notes]);
    return { ...made, kept: null, held, answer, usual: usualOf(answer, program, link) };
  } catch (error) {
    throw error instanceof Refusal ? error.within(answer.name) : error;
  }
}

// What numbers can break: the conditions that depend on the call.
function conditionsOf(answer, program, { linker, bound, isFedTokens }, trained) {
  const runs = Object.entries(LIBRARY.run).filter(([name, row]) => row.lowest > 0 && (name !== "seq_len" || isFedTokens));
  const given = answer.compared.map((text) => {
    const { left, sign, right } = program.sides[text];
    const [a, b] = [left, right].map((side) => linker.copy(program.steps, side, bound));
    const known = [...namesIn(program, [left, right])].filter((name) => bound.has(name)).map((name) => [name, String(answer.symbols.get(name))]);
    return { text, left: a, sign, right: b, known: Object.fromEntries(known) };
  });
  const always = runs.map(([name, { lowest }]) => ({ text: `${name} >= ${lowest}`, left: linker.interned(name), sign: ">=", right: linker.number(BigInt(lowest)) }));
  const first = trained ? [{ text: "past_len == 0", left: linker.interned("past_len"), sign: "==", right: linker.number(0n) }] : [];
  return [...given, ...always, ...first].filter(({ left, right }) => linker.names([left, right]).size);
}

// What holds in usual use, though the formulas hold beyond it: the longest sequence that a config was made for.
function usualOf({ usual, expects }, program, { linker, bound, isFedTokens }) {
  const said = (expects ?? []).map((text) => {
    const { left, sign, right } = program.sides[text];
    const [a, b] = [left, right].map((side) => linker.copy(program.steps, side, bound));
    return { text, left: a, sign, right: b };
  });
  if (usual === undefined || !isFedTokens) return said;
  const left = linker.plus(linker.interned("past_len"), linker.interned("seq_len"));
  return [...said, { text: `seq_len + past_len <= ${usual}`, left, sign: "<=", right: linker.number(usual) }];
}
