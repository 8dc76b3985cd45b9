// The calculator: models are chosen, by type, as a real config or as a config of one's own; the address keeps them.

// A word of the address for each model: `llama`, `real:Qwen3-0.6B`, `model:gpt2` of a file of symflops, or `config:` and the config's text, packed.
let chosen = []; // [{word, name, text, type, answer, program}]
let format = "";
let trained = false; // whether a step of training is shown
let turn = 0; // of what was asked for last; what comes later of an earlier one is left alone

const isOurs = (name) => /^(model-\d+|weights-in|a-step-of)$/.test(name);

function wordsOf(hash) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  const found = [...words].filter(([name]) => name.startsWith("model-")).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, word]) => word);
  const said = words.get("weights-in") ?? "";
  return { found: found.slice(0, MOST_MODELS), format: SITE.formats.includes(said) ? said : "", trained: words.get("a-step-of") === "training" };
}

// The whole address: the models, and what the report says of its symbols and of how it is shown.
function withModels(reportWords) {
  const words = new URLSearchParams();
  chosen.forEach(({ word }, i) => words.set(`model-${i + 1}`, word));
  if (format) words.set("weights-in", format);
  if (trained) words.set("a-step-of", "training");
  for (const [name, value] of new URLSearchParams(reportWords)) if (!isOurs(name)) words.set(name, value);
  return words.toString();
}

function remember() {
  const kept = new URLSearchParams(location.hash.slice(1));
  const hash = withModels(kept.toString());
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

// ----------------------------------------------------------------------------------------------------------- models

async function textOfWord(word) {
  if (word.startsWith("config:")) return fromPacked(word.slice(7), MOST_CONFIG);
  if (word.startsWith("model:")) return "";
  if (!word.startsWith("real:")) return JSON.stringify({ model_type: word, ...(await classesOf(word)) });
  const real = JSON.parse((await fetched("configs.json.gz")));
  if (!Object.hasOwn(real, word.slice(5))) throw new Refusal(`there is no real config ${quoted(word.slice(5, 65))} here`);
  return real[word.slice(5)];
}

// The class of models of a type that is chosen by its name, where the class that transformers takes is not in the atlas.
async function classesOf(type) {
  const entry = SITE.types.includes(type) ? (await entryFor(type)).entry : undefined;
  return !entry || entry.default in entry.models ? {} : { architectures: [Object.keys(entry.models)[0]] };
}

// The answer to a config's text, or a Refusal that says in one line why there is none.
async function answered(word, text) {
  if (word.startsWith("model:")) return answeredFile(word);
  if (text.length > MOST_CONFIG) throw new Refusal("a text of more than 1,000,000 characters is no config");
  const stated = parseJson(text);
  if (!isObject(stated)) throw new Refusal(`expected a JSON object, got ${kindOf(stated)}`);
  const type = stated.model_type;
  const said = "model_type" in stated ? (typeof type === "string" ? type : dumped(type)) : "model";
  const name = word.startsWith("real:") ? word.slice(5) : oneLine(said, 60);
  if (typeof type !== "string" || !SITE.types.includes(type)) {
    const shown = typeof type === "string" ? type : type === undefined || type === null ? "None" : dumped(type);
    throw new Refusal(`the atlas has no type ${quoted(oneLine(shown.slice(0, 60)))}; ${SITE.install}`).within(name);
  }
  const { entry, program } = await entryFor(type);
  try {
    return { word, name, text, type, program, entry, answer: answerFrom(entry, program, stated, name) };
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(`${error.message}; ${SITE.install}`) : error;
  }
}

async function answeredFile(word) {
  const name = word.slice(6);
  if (!SITE.models.includes(name)) throw new Refusal(`no such model ${quoted(name.slice(0, 60))}`);
  const [said, steps] = (await fetched(`models/${name}.json.gz`)).split("\n");
  const program = JSON.parse(steps);
  return { word, name, text: "", program, answer: answerOfFile(parseJson(said), program, name) };
}

const kindOf = (x) => ({ string: "str", bigint: "int", number: "float", boolean: "bool" })[typeof x] ?? (x === null ? "NoneType" : "list");

async function opened(words) {
  LIBRARY ??= JSON.parse(await fetched("library.json.gz"));
  const found = [];
  for (const word of words) {
    try {
      found.push(await answered(word, await textOfWord(word)));
    } catch (error) {
      refuse(error);
    }
  }
  return found;
}

// Takes models in place of the chosen ones; those that are refused are said and left out.
async function take(words, inFormat, inTraining = trained) {
  const own = (turn += 1);
  refusals.replaceChildren();
  find("busy").hidden = false;
  try {
    const found = await opened(words);
    if (own !== turn) return;
    [chosen, format, trained] = [numbered(found), inFormat, inTraining];
    present();
    remember();
  } catch (error) {
    refuse(error);
  } finally {
    if (own === turn) find("busy").hidden = true;
  }
}

// Models of one name are told apart by numbers.
function numbered(models) {
  return models.map((one, i) => {
    const before = models.slice(0, i).filter(({ name }) => name === one.name).length;
    return before ? { ...one, shown: `${one.name} (${before + 1})` } : { ...one, shown: one.name };
  });
}

function present() {
  const focused = document.activeElement; // a field that is taken away says that it has changed, to a report that is gone
  if (find("report").contains(focused)) focused.blur();
  const models = [];
  for (const one of chosen) {
    try {
      models.push({ ...modelOf(one.answer, one.program, format, trained), name: one.shown, type: one.type });
    } catch (error) {
      refuse(error);
    }
  }
  find("format").value = format;
  find("trained").checked = trained;
  find("chosen").replaceChildren(...chosen.map(card(models)));
  showReport(models, withModels);
  document.title = models.length ? `${models.map(({ name }) => name).join(", ")}: closed-form cost` : "Calculator: closed-form cost of neural networks";
}

const refusals = find("refusals");

function refuse(error) {
  if (!(error instanceof RangeError) && !(error instanceof DOMException) && !(error instanceof TypeError)) throw error;
  const isOwn = error instanceof RangeError; // others are of the browser, such as an address that is cut
  refusals.append(element("p", { class: "trouble" }, oneLine(isOwn ? error.message : `the address cannot be read: ${error.message}`)));
}

// A chosen model: what it is, what is to be said beside its numbers, and what can be done with it.
const card = (models) => (one, i) => {
  const model = models.find(({ answer }) => answer === one.answer);
  const notes = [...(model?.notes ?? one.answer.notes), ...otherBytes(one)].map((note) => element("li", {}, note));
  const act = (label, does) => element("button", { type: "button", "aria-label": `${label} ${one.shown}`, onclick: does }, label);
  const pages = one.type ? [element("a", { href: `../architectures/${one.type}/` }, `formulas of ${one.type}`)] : [];
  const usual = element("p", { class: "note usual", id: `usual-${models.indexOf(model)}`, role: "status" });
  return element(
    "li",
    {},
    element("p", { class: "chosen-name" }, element("strong", {}, one.shown), " ", element("span", { class: "about" }, one.answer.data.class?.split(".").at(-1) ?? "")),
    element("ul", { class: "notes" }, ...notes),
    ...(model ? [usual] : []),
    element("p", { class: "acts" }, ...(one.text ? [act("edit", () => edit(one))] : []), act("remove", () => take(chosen.filter((_, k) => k !== i).map(({ word }) => word), format).then(() => find("type").focus())), ...pages),
  );
};

// The page has one field for the bytes of an element, which opens as the first model has them.
function otherBytes({ answer }) {
  const [opens, own] = [chosen[0].answer, answer].map(({ dtype }) => (dtype ? LIBRARY.element[dtype] : Number(LIBRARY.run.dtype_bytes.default)));
  if (own === opens) return [];
  const said = answer.dtype ? `its data type is ${answer.dtype}, of ${own} bytes` : `it states no data type, for which ${own} bytes are taken`;
  return [`${said}; dtype_bytes, which is one for all models here, opens at the ${opens} of ${chosen[0].shown}`];
}

function edit(one) {
  find("own").open = true;
  find("config").value = one.text;
  find("config").focus();
}

async function add(word) {
  if (chosen.length >= MOST_MODELS) {
    refusals.replaceChildren();
    refuse(new Refusal(`${MOST_MODELS} models can be compared; remove one first`));
    return;
  }
  await take([...chosen.map((one) => one.word), word], format);
}

async function addText(text) {
  try {
    LIBRARY ??= JSON.parse(await fetched("library.json.gz"));
    refusals.replaceChildren();
    const word = `config:${await packed(minimal(text))}`;
    await answered(word, text); // what is refused is said, and nothing else changes
    await add(word);
  } catch (error) {
    refuse(error);
  }
}

// A config's text without spaces, as the address keeps it.
function minimal(text) {
  if (text.length > MOST_CONFIG) throw new Refusal("a text of more than 1,000,000 characters is no config");
  return dumped(parseJson(text));
}

// ------------------------------------------------------------------------------------------------------------ start

find("by-type").addEventListener("submit", (event) => {
  event.preventDefault();
  if (find("type").value) add(find("type").value);
});
find("by-config").addEventListener("submit", (event) => {
  event.preventDefault();
  addText(find("config").value);
});
find("format").addEventListener("change", (event) => {
  format = event.target.value;
  refusals.replaceChildren();
  present();
  remember();
});
find("trained").addEventListener("change", (event) => {
  trained = event.target.checked;
  refusals.replaceChildren();
  present();
  remember();
});
find("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (file) readFile(file);
});
find("theme").addEventListener("change", (event) => {
  document.documentElement.style.colorScheme = event.target.value === "auto" ? "" : event.target.value;
});

async function readFile(file) {
  refusals.replaceChildren();
  if (file.size > MOST_CONFIG) return refuse(new Refusal(`${oneLine(file.name, 60)}: a file of more than 1 MB is no config`));
  find("own").open = true;
  find("config").value = await file.text();
  return addText(find("config").value);
}

addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  const text = event.dataTransfer.getData("text/plain");
  if (file) readFile(file);
  else if (text) addText(text);
});

const EXPORTS = {
  csv: () => save(asCsv(latest.models, latest.results), "symflops.csv", "text/csv"),
  json: () => save(asJson(latest.models, latest.results, latest.symbols), "symflops.json", "application/json"),
  tex: () => save(asLatex(latest.models, latest.results), "symflops.tex", "text/x-tex"),
  svg: () => save(asSvg(find("chart-total")), "symflops.svg", "image/svg+xml"),
  png: async () => save(await asPng(find("chart-total")), "symflops.png", "image/png"),
};
for (const button of all("[data-export]")) button.addEventListener("click", () => latest && EXPORTS[button.dataset.export]());

find("link").addEventListener("click", async () => {
  remember();
  await navigator.clipboard.writeText(location.href);
  find("status").textContent = "the link is copied";
});

function isShown({ found, format: said, trained: step }) {
  return said === format && step === trained && found.length === chosen.length && found.every((word, i) => word === chosen[i].word);
}

addEventListener("hashchange", () => {
  const said = wordsOf(location.hash);
  if (!isShown(said)) take(said.found, said.format, said.trained);
});

const first = wordsOf(location.hash);
find("busy").hidden = true;
if (first.found.length) take(first.found, first.format, first.trained);
else showReport([], withModels);
fetchAhead(["library.json.gz", "configs.json.gz", ...SITE.types.map((type) => `types/${type}.json.gz`), ...SITE.models.map((name) => `models/${name}.json.gz`)]);
