// The fields and sliders of the symbols, and the address that keeps their values.

const FOLLOW = "dtype_bytes"; // what weight_bytes and cache_bytes are when nothing is said

// The values that a slider stops at, as texts; the first of an optional one is "": not said.
function stops(symbol) {
  if (symbol.fraction) return [...(symbol.follows ? [""] : []), "0.5", "1", "2", "4", "8"];
  const highest = symbol.name === "batch_size" ? 10 : 20;
  const found = symbol.name === "past_len" || symbol.required ? ["0"] : [];
  for (let power = 0; power <= highest; power += 1) {
    found.push(String(2 ** power));
    if (power && power < highest) found.push(String(3 * 2 ** (power - 1)));
  }
  return found;
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
      this.field = element("input", { id, type: "text", ...mode, ...describe, oninput: () => this.set(this.field.value.trim()) });
      this.stops = stops(symbol);
      const range = { min: 0, max: this.stops.length - 1, step: 1, "aria-label": `${symbol.name}, slider` };
      this.slider = element("input", { id: `slider-${symbol.name}`, type: "range", ...range, oninput: () => this.set(this.stops[this.slider.value]) });
      place.append(element("div", { class: "control" }, label, this.field, about, this.slider, this.error));
    }
  }

  // Takes a text as the value; one that cannot stand for the symbol is refused beside the field and changes nothing.
  set(value) {
    const error = this.fault(value);
    this.error.textContent = error;
    this.field.setAttribute("aria-invalid", String(Boolean(error)));
    if (error) return false;
    this.value = value;
    this.show();
    this.changed();
    return true;
  }

  fault(value) {
    if (value === "" && this.symbol.follows) return "";
    try {
      this.parse(value);
      return "";
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return value === "" ? "a number is needed; the last one still counts" : `${error.message.replace(/^.*?: /, "")}; not applied`;
    }
  }

  parse(value) {
    return (this.symbol.fraction ? bytes : count)(this.symbol.name, value.replace(/[\s,_]/g, ""));
  }

  // What the formulas get: an exact number, or nothing where the symbol follows another or has no value.
  get exact() {
    return this.value === "" || this.value === null ? undefined : this.parse(this.value);
  }

  show() {
    if (this.symbol.name === "causal") {
      this.field.checked = this.value === "1";
      return;
    }
    const shown = this.value ?? "";
    if (document.activeElement !== this.field && this.field.value !== shown) this.field.value = shown;
    this.slider.value = this.nearestStop();
    this.slider.setAttribute("aria-valuetext", shown || this.field.placeholder || "no value");
  }

  // Says what an unset symbol is meanwhile.
  follow(words) {
    this.field.placeholder = words;
    if (!this.value) this.slider.setAttribute("aria-valuetext", words);
  }

  nearestStop() {
    if (!this.value) return 0;
    const size = (text) => (text === "" ? -Infinity : Math.log2(1e-3 + toNumber(this.parse(text))));
    const distance = (text) => Math.abs(size(text) - size(this.value));
    return this.stops.reduce((best, text, i) => (distance(text) < distance(this.stops[best]) ? i : best), 0);
  }
}

const toNumber = (x) => Number(numerator(x)) / Number(denominator(x));

// The exact values of all symbols, those that follow another included.
function values(controls) {
  const found = Object.create(null); // a symbol may be called constructor
  for (const { symbol, exact } of controls) if (exact !== undefined) found[symbol.name] = exact;
  for (const { symbol } of controls) if (symbol.follows && found[symbol.name] === undefined) found[symbol.name] = found[FOLLOW];
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
    control.error.textContent = said !== null && control.value !== said ? `the address says ${said.slice(0, 40)}: not applied` : "";
    control.field.setAttribute("aria-invalid", "false");
    control.show();
  }
  for (const [name, value] of Object.entries(initial)) {
    const said = words.get(VIEW + name);
    view[name] = said !== null && VIEWS[name](said) ? (typeof value === "boolean" ? said === "true" : said) : value;
  }
}
