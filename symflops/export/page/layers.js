// The layer tree: a table whose groups open and close and whose siblings sort by any column. One model has a column for each
// metric; several have theirs for the chosen one side by side.

const MAX_OPEN = 300; // lines; the groups of a larger tree are closed at first
const LINES = DATA.tree;
const NARROW = matchMedia("screen and (max-width: 900px)"); // as in media.css

// What stands beside a layer's name: {key, kind, model, metric}. The key is what an address calls the column by.
const COLUMNS =
  MODELS.length === 1
    ? [
        { key: "runs", kind: "runs", model: 0 },
        ...METRICS.map(({ name }, metric) => ({ key: name, kind: "metric", model: 0, metric })),
        { key: "share", kind: "share", model: 0 },
        { key: "time", kind: "time", model: 0 },
      ]
    : MODELS.flatMap((_, model) => ["metric", "share", "time"].map((kind) => ({ key: `${kind}-${model}`, kind, model })));

class LayerTable {
  constructor(place, view, changed) {
    Object.assign(this, { view, changed, results: [], times: [], closed: new Set(), formulas: new Set() });
    this.children = new Map();
    LINES.forEach(({ parent }, k) => this.children.set(parent, [...(this.children.get(parent) ?? []), k]));
    if (LINES.length > MAX_OPEN) LINES.forEach((_, k) => this.children.has(k) && this.closed.add(k));
    this.head = element("thead");
    this.body = element("tbody");
    this.lines = LINES.map((line, k) => this.line(line, k));
    this.total = COLUMNS.map(({ kind }) => element("td", { class: kind }));
    const foot = element("tfoot", {}, element("tr", {}, element("th", { scope: "row" }, "total"), ...this.total));
    const label = `Layers of ${MODELS.map(({ name }) => name).join(", ")}; a group's cost is the sum of its parts`;
    const kind = MODELS.length > 1 ? "layers several" : "layers";
    NARROW.addEventListener("change", () => this.headings(), { signal: LIFE });
    place.append(element("table", { class: kind, "aria-label": label }, this.head, this.body, foot));
  }

  get metric() {
    return METRICS.findIndex(({ name }) => name === this.view.metric);
  }

  // How many columns of a model show: on a narrow screen that of the metric, and times on a machine only.
  get span() {
    if (NARROW.matches) return 1;
    return this.times.some(Boolean) ? 3 : 2;
  }

  headings() {
    const names = element("tr", { class: "names" }, element("td"));
    MODELS.forEach(({ name }, i) => {
      const key = element("span", { class: `key line-${i % 4}`, "aria-hidden": "true" });
      names.append(element("th", { scope: "colgroup", colspan: this.span }, key, name));
    });
    const heads = [{ key: "layer", kind: "layer" }, ...COLUMNS].map((column) => {
      const isSorted = this.view.sort === column.key;
      const state = isSorted ? (this.view.descending ? "descending" : "ascending") : "none";
      const sort = () => this.changed({ sort: column.key, descending: isSorted ? !this.view.descending : column.key !== "layer" });
      const arrow = element("span", { "aria-hidden": "true", class: "arrow" }, isSorted ? (this.view.descending ? "▼" : "▲") : "");
      const button = element("button", { type: "button", onclick: sort }, ...breakable(this.title(column)), arrow);
      return element("th", { scope: "col", class: this.kind(column), "aria-sort": state }, button);
    });
    this.head.replaceChildren(...(MODELS.length > 1 ? [names] : []), element("tr", {}, ...heads));
  }

  title({ key, kind, metric }) {
    if (kind === "metric") return METRICS[metric ?? this.metric].name;
    if (kind === "share") return MODELS.length > 1 ? "share" : `share of ${this.view.metric}`;
    return kind === "time" ? "least time" : key;
  }

  // The class of a column: that of the chosen metric is the one that a narrow screen shows.
  kind({ kind, metric }) {
    return kind === "metric" && (metric ?? this.metric) === this.metric ? "chosen" : kind;
  }

  line({ path, name, depth, rows }, k) {
    const level = element("span", { class: "indent" });
    level.style.setProperty("--depth", depth);
    const classes = rows.map((row, i) => (row === null ? "" : MODELS[i].rows[row].class)).filter(Boolean);
    const words = [path, ...new Set(classes)];
    const isGroup = this.children.has(k);
    const toggle = isGroup
      ? element("button", { type: "button", class: "toggle", "aria-expanded": "true", "aria-label": `parts of ${path}`, onclick: () => this.flip(this.closed, k) })
      : element("span", { class: "toggle" });
    const button = element("button", { type: "button", class: "name", title: words.join("\n"), "aria-expanded": "false", onclick: () => this.flip(this.formulas, k) }, name);
    const cells = COLUMNS.map(({ kind }) => (kind === "share" ? element("td", { class: kind }, element("span", { class: "bar" }), element("span")) : element("td", { class: kind })));
    const row = element("tr", { class: isGroup ? "group" : "leaf" }, element("th", { scope: "row" }, level, toggle, button), ...cells);
    return { row, words, level, toggle, button, cells };
  }

  flip(set, k) {
    if (!set.delete(k)) set.add(k);
    this.arrange();
  }

  choose() {
    for (const cells of [...this.lines.map(({ cells }) => cells), this.total]) {
      cells.forEach((cell, c) => (cell.className = this.kind(COLUMNS[c])));
    }
    this.headings();
  }

  // The numbers at a point; null for a model that has none. `bounds` are those on the machine, if one is chosen.
  show(results, bounds) {
    this.results = results;
    this.bounds = bounds;
    this.times = bounds.map((found, i) => found && lineTimes(LINES, i, MODELS[i], found));
    this.body.parentElement.classList.toggle("timed", this.times.some(Boolean)); // without a machine no times
    for (const name of this.head.querySelectorAll("[scope=colgroup]")) name.colSpan = this.span;
    COLUMNS.forEach(({ kind, model, metric }, c) => {
      const totals = results[model]?.totals;
      if (kind === "metric") write(this.total[c], totals?.[metric ?? this.metric], METRICS[metric ?? this.metric].unit, this.view.digits);
      else if (kind === "share") this.total[c].textContent = totals?.[this.metric] ? "100.0 %" : "";
      else if (kind === "time") this.total[c].textContent = bounds[model]?.sum === undefined ? "—" : time(bounds[model].sum);
    });
    this.arrange();
  }

  // Whether a model has a line's layer. Without groups, a group that another model has no parts of is none.
  has(k, model) {
    const row = LINES[k].rows[model];
    return row !== null && !(this.view.flat && !MODELS[model].rows[row].leaf);
  }

  // The numbers of a model's layer, or undefined.
  found(k, model) {
    return this.has(k, model) ? this.results[model]?.rows[LINES[k].rows[model]] : undefined;
  }

  // The numbers of one line; lines that do not show are filled when they do.
  fill(k) {
    this.lines[k].cells.forEach((cell, c) => {
      const { kind, model, metric } = COLUMNS[c];
      const found = this.found(k, model);
      const runs = found && found.runs !== 1n ? `×${text(found.runs)}` : "";
      if (kind === "runs") cell.textContent = runs;
      else if (kind === "share") this.fillShare(cell, found, model);
      else if (kind === "time") this.fillTime(cell, k, model);
      else if (!this.has(k, model)) write(cell, undefined, "", false, "");
      else write(cell, found?.cells[metric ?? this.metric], METRICS[metric ?? this.metric].unit, this.view.digits, "—", runs);
    });
  }

  fillShare(cell, found, model) {
    const whole = found ? Number(this.results[model].totals[this.metric]) : 0;
    const share = whole ? Number(found.cells[this.metric]) / whole : 0;
    cell.firstChild.style.width = `${(share * 100).toFixed(2)}%`;
    cell.lastChild.textContent = whole ? `${(share * 100).toFixed(1)} %` : "";
  }

  fillTime(cell, k, model) {
    if (!this.bounds[model] || !this.has(k, model)) return cell.replaceChildren();
    const seconds = this.times[model][k];
    const binds = this.bounds[model].layers[LINES[k].rows[model]]?.binds ?? "";
    cell.replaceChildren(seconds === undefined ? "—" : time(seconds), element("span", { class: "binds" }, binds));
    cell.title = binds && `bound by ${binds}`;
  }

  // Puts the lines in order: siblings sorted, closed groups without their parts, formulas below their layers.
  arrange() {
    const shown = [];
    const visit = (parent) => {
      for (const k of this.sorted(this.children.get(parent) ?? [])) {
        shown.push(k);
        if (!this.closed.has(k)) visit(k);
      }
    };
    const isLeaf = ({ rows }) => rows.some((row, i) => row !== null && MODELS[i].rows[row].leaf);
    if (this.view.flat) shown.push(...this.sorted([...LINES.keys()].filter((k) => isLeaf(LINES[k]))));
    else visit(-1);
    const wanted = [];
    for (const k of shown) {
      const { row, level, button, toggle } = this.lines[k];
      this.fill(k);
      level.hidden = toggle.hidden = this.view.flat;
      button.textContent = this.view.flat ? LINES[k].path : LINES[k].name;
      if (this.children.has(k)) toggle.setAttribute("aria-expanded", String(!this.closed.has(k)));
      button.setAttribute("aria-expanded", String(this.formulas.has(k)));
      wanted.push(row);
      if (this.formulas.has(k)) wanted.push(this.formula(k));
    }
    // Moving a row that has the focus would take it away: rows move only when their order changes.
    const key = JSON.stringify([shown, [...this.formulas], this.view.metric]);
    if (key !== this.arranged) {
      const focused = document.activeElement;
      this.body.replaceChildren(...wanted);
      if (this.body.contains(focused)) focused.focus({ preventScroll: true });
      this.arranged = key;
    }
  }

  // What a line is sorted by; undefined where there is nothing, which stands last.
  value(k, { kind, model, metric }) {
    const found = this.found(k, model);
    if (kind === "runs") return found && toNumber(found.runs);
    if (kind === "time") return found && this.times[model]?.[k] !== undefined ? toNumber(this.times[model][k]) : undefined;
    return found?.cells[metric ?? this.metric];
  }

  sorted(lines) {
    const { sort, descending } = this.view;
    const column = COLUMNS.find(({ key }) => key === sort);
    if (!column) return descending ? [...lines].reverse() : lines;
    const order = (a, b) => {
      const [x, y] = [this.value(a, column), this.value(b, column)];
      if (x === y) return a - b; // what is equal stays as it is in the model
      if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
      return (descending ? y : x) < (descending ? x : y) ? -1 : 1;
    };
    return [...lines].sort(order);
  }

  // The formula of a layer, once for the models that have the same.
  formula(k) {
    const owners = new Map();
    LINES[k].rows.forEach((row, i) => {
      if (row === null) return;
      const number = MODELS[i].rows[row].formulas[this.metric];
      owners.set(number, [...(owners.get(number) ?? []), MODELS[i].name]);
    });
    const shown = [...owners].map(([number, names]) => {
      const whose = owners.size > 1 ? [element("span", { class: "owners" }, names.join(", ")), " "] : [];
      return element("div", { class: "formula" }, ...whose, element("code", {}, `${this.view.metric} =`), " ", formulaOf(number));
    });
    const [path, ...classes] = this.lines[k].words;
    const where = element("p", { class: "where" }, path, ...classes.flatMap((name) => [" · ", element("code", {}, name)]));
    return element("tr", { class: "explanation" }, element("td", { colspan: COLUMNS.length + 1 }, where, ...shown));
  }
}

// A heading that may break after an underscore.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [element("wbr"), part] : [part]));

// A number in a cell: four digits, or all of them, which are in the title otherwise.
function write(cell, number, unit, digits, none = "—", runs = "") {
  const short = number === undefined ? none : digits ? grouped(number) : engineering(number, unit);
  const title = number === undefined ? "" : `${grouped(number)} ${unit}${runs && ` in ${runs.slice(1)} runs`}`;
  if (cell.textContent !== short) cell.textContent = short;
  if (cell.title !== title) cell.title = title;
}
