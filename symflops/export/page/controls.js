// The fields and sliders of the symbols, and the address that keeps their values.

const FOLLOW = "dtype_bytes"; // what weight_bytes and cache_bytes are when nothing is said

// The values that a slider stops at, as texts.
function stops(symbol) {
  if (symbol.fraction) return ["0.5", "1", "2", "4", "8"];
  const highest = symbol.name === "batch_size" ? 10 : 20;
  const found = symbol.name === "past_len" || symbol.required ? ["0"] : [];
  for (let power = 0; power <= highest; power += 1) {
    found.push(String(2 ** power));
    if (power && power < highest) found.push(String(3 * 2 ** (power - 1)));
  }
  return found;
}

// What may stand behind a number, as on the command line: 128k is 128,000, and 128Ki is 131,072.
const FACTORS = { "": 1n, K: 1000n };
["k", "M", "G", "T", "P", "E"].forEach((prefix, i) => {
  FACTORS[prefix] = 1000n ** BigInt(i + 1);
  FACTORS[`${prefix.toUpperCase()}i`] = 1024n ** BigInt(i + 1);
});

// The plain digits of a number that somebody wrote: 2_048, 2k, 2Ki, 1e6. A comma makes a list on the command line, so that
// 1,8 must not become 18 here.
function written(value) {
  if (value.includes(",")) throw new RangeError("a comma separates numbers, and one is wanted here");
  const [, number, prefix] = /^(.*?\d\.?)\s*([A-Za-z]*)$/.exec(value) ?? [, value, ""];
  const digits = number.replace(/(\d)_(?=\d)/g, "$1");
  if (!prefix || FACTORS[prefix] === undefined) return digits + prefix;
  const exact = times(decimal(digits) ?? fraction(0n, 1n), FACTORS[prefix]);
  return decimal(digits) !== undefined && typeof exact === "bigint" ? String(exact) : value;
}

class Control {
  constructor(symbol, place, changed) {
    Object.assign(this, { symbol, changed, value: symbol.value });
    const id = `field-${symbol.name}`;
    const describe = { "aria-describedby": `about-${symbol.name} error-${symbol.name}` };
    const label = element("label", { for: id }, element("code", {}, symbol.name));
    const about = element("span", { id: `about-${symbol.name}`, class: "about" }, symbol.meaning);
    this.error = element("p", { id: `error-${symbol.name}`, class: "error", role: "alert" });
    if (symbol.name === "causal") {
      this.field = element("input", { id, type: "checkbox", ...describe, onchange: () => this.set(this.field.checked ? "1" : "0") });
      place.append(element("div", { class: "control switch" }, this.field, label, about, this.error));
    } else {
      const mode = { inputmode: symbol.fraction ? "decimal" : "numeric", autocomplete: "off", spellcheck: "false" };
      this.field = element("input", { id, type: "text", ...mode, ...describe, oninput: () => this.set(this.field.value.trim()), onchange: () => this.set(this.field.value.trim()) });
      this.stops = stops(symbol);
      const range = { min: 0, max: this.stops.length - 1, step: 1, "aria-label": `${symbol.name}, slider` };
      this.slider = element("input", { id: `slider-${symbol.name}`, type: "range", ...range, oninput: () => this.set(this.stops[this.slider.value]) });
      place.append(element("div", { class: "control" }, label, this.field, about, this.slider, this.error));
    }
  }

  // Takes a text as the value. One that cannot stand for the symbol is refused beside the field, and until it is mended
  // the page shows no numbers: those of the last good value would stand below a field that says something else.
  set(value) {
    const error = this.fault(value);
    if (!error) this.value = value;
    this.judge(error);
    this.show();
    this.changed();
  }

  judge(error) {
    this.isInvalid = Boolean(error);
    this.error.textContent = error;
    this.field.setAttribute("aria-invalid", String(this.isInvalid));
  }

  fault(value) {
    if (value === "" && this.symbol.follows) return "";
    try {
      this.parse(value);
      return "";
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return value === "" ? "a number is needed" : error.message.replace(/^.*?: /, "");
    }
  }

  parse(value) {
    return (this.symbol.fraction ? bytes : count)(this.symbol.name, written(value));
  }

  // What the formulas get: an exact number, or nothing where the symbol follows another, has no value or a wrong one.
  get exact() {
    return this.isInvalid || !this.value ? undefined : this.parse(this.value);
  }

  show() {
    if (this.isInvalid) return; // the field keeps what was typed
    if (this.symbol.name === "causal") {
      this.field.checked = this.value === "1";
      return;
    }
    const shown = this.value ?? "";
    if (document.activeElement !== this.field && this.field.value !== shown) this.field.value = shown;
    if (shown) this.slider.value = this.nearestStop(this.exact);
    this.slider.setAttribute("aria-valuetext", shown || this.field.placeholder || "no value");
  }

  // Says what an unset symbol is meanwhile: what another one is, if that has a value.
  follow(value) {
    this.field.placeholder = value === undefined ? FOLLOW : `${text(value)} (${FOLLOW})`;
    if (this.value || this.isInvalid) return;
    if (value !== undefined) this.slider.value = this.nearestStop(value);
    this.slider.setAttribute("aria-valuetext", this.field.placeholder);
  }

  nearestStop(value) {
    const size = (x) => Math.log2(1e-3 + toNumber(x));
    const distance = (stop) => Math.abs(size(this.parse(stop)) - size(value));
    return this.stops.reduce((best, stop, i) => (distance(stop) < distance(this.stops[best]) ? i : best), 0);
  }
}

// The exact values of all symbols, those that follow another included.
function values(controls) {
  const found = Object.create(null); // a symbol may be called constructor
  for (const { symbol, exact } of controls) if (exact !== undefined) found[symbol.name] = exact;
  if (found[FOLLOW] === undefined) return found;
  for (const { symbol, isInvalid } of controls) if (symbol.follows && !isInvalid) found[symbol.name] ??= found[FOLLOW];
  return found;
}

const VIEW = "view-"; // no symbol's name has a hyphen

// The address: values that are not the page's own, and how things are shown.
function toHash(controls, view, initial) {
  const words = new URLSearchParams();
  for (const { symbol, value } of controls) if (value !== null && value !== symbol.value) words.set(symbol.name, value);
  for (const [name, value] of Object.entries(view)) if (value !== initial[name]) words.set(VIEW + name, String(value));
  return words.toString();
}

// Takes over what an address says; what it does not say gets the page's own value.
function fromHash(hash, controls, view, initial) {
  const words = new URLSearchParams(hash.replace(/^#/, ""));
  for (const control of controls) {
    const { symbol } = control;
    const said = words.get(symbol.name);
    control.value = symbol.value;
    if (said !== null && control.fault(said) === "") control.value = said;
    control.judge("");
    control.error.textContent = said !== null && control.value !== said ? `the address says ${said.slice(0, 40)}: not applied` : "";
    control.show();
  }
  for (const [name, value] of Object.entries(initial)) {
    const said = words.get(VIEW + name);
    view[name] = said !== null && VIEWS[name](said) ? (typeof value === "boolean" ? said === "true" : said) : value;
  }
}
