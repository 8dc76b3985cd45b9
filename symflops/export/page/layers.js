// The layer tree of one model: a table whose groups open and close and whose siblings sort by any column.

// An element with text only: what a model file says is never read as HTML.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const MAX_OPEN = 300; // rows; the groups of a larger model are closed at first

class LayerTable {
  constructor(place, model, view, changed) {
    Object.assign(this, { model, view, changed, result: null, closed: new Set(), formulas: new Set() });
    this.children = new Map();
    model.rows.forEach(({ parent }, i) => this.children.set(parent, [...(this.children.get(parent) ?? []), i]));
    if (model.rows.length > MAX_OPEN) model.rows.forEach(({ leaf }, i) => leaf || this.closed.add(i));
    this.head = element("tr");
    this.body = element("tbody");
    this.lines = model.rows.map((row, i) => this.line(row, i));
    this.total = [element("th", { scope: "row" }, "total"), element("td", { class: "runs" }), ...METRICS.map(() => element("td")), element("td")];
    const foot = element("tfoot", {}, element("tr", {}, ...this.total));
    const label = `Layers of ${model.name}; a group's cost is the sum of its parts`;
    place.append(element("table", { class: "layers", "aria-label": label }, element("thead", {}, this.head), this.body, foot));
    this.choose();
  }

  headings() {
    const columns = ["layer", "runs", ...METRICS.map(({ name }) => name), "share"];
    this.head.replaceChildren(
      ...columns.map((column) => {
        const isSorted = this.view.sort === column;
        const state = isSorted ? (this.view.descending ? "descending" : "ascending") : "none";
        const sort = () => this.changed({ sort: column, descending: isSorted ? !this.view.descending : column !== "layer" });
        const arrow = element("span", { "aria-hidden": "true", class: "arrow" }, isSorted ? (this.view.descending ? "▼" : "▲") : "");
        const title = column === "share" ? `share of ${this.view.metric}` : column;
        const kind = METRICS.some(({ name }) => name === column) ? (column === this.view.metric ? "chosen" : "metric") : column;
        return element("th", { scope: "col", class: kind, "aria-sort": state }, element("button", { type: "button", onclick: sort }, ...breakable(title), arrow));
      }),
    );
  }

  line(row, i) {
    const level = element("span", { class: "indent" });
    level.style.setProperty("--depth", row.depth);
    const toggle = row.leaf
      ? element("span", { class: "toggle" })
      : element("button", { type: "button", class: "toggle", "aria-expanded": "true", "aria-label": `parts of ${row.path}`, onclick: () => this.toggle(i) });
    const name = element("button", { type: "button", class: "name", title: `${row.path}${row.class ? `\n${row.class}` : ""}`, "aria-expanded": "false", onclick: () => this.explain(i) }, row.name);
    const layer = element("th", { scope: "row" }, level, toggle, name);
    const runs = element("td", { class: "runs" });
    const cells = METRICS.map(() => element("td"));
    const bar = element("span", { class: "bar" });
    const share = element("td", { class: "share" }, bar, element("span"));
    const line = element("tr", { class: row.leaf ? "leaf" : "group" }, layer, runs, ...cells, share);
    return { row, i, line, level, toggle, name, runs, cells, bar, percent: share.lastChild };
  }

  toggle(i) {
    if (!this.closed.delete(i)) this.closed.add(i);
    this.arrange();
  }

  explain(i) {
    if (!this.formulas.delete(i)) this.formulas.add(i);
    this.arrange();
  }

  // The column of the chosen metric is the one that a narrow screen shows.
  choose() {
    for (const cells of [...this.lines.map(({ cells }) => cells), this.total.slice(2, -1)]) {
      cells.forEach((cell, k) => (cell.className = METRICS[k].name === this.view.metric ? "chosen" : "metric"));
    }
    this.headings();
  }

  // The numbers at a point; null where the model has none.
  show(result) {
    this.result = result;
    const metric = METRICS.findIndex(({ name }) => name === this.view.metric);
    this.total.at(-1).textContent = result?.totals[metric] ? "100.0 %" : "";
    METRICS.forEach(({ unit }, k) => {
      write(this.total[k + 2], result?.totals[k], unit, this.view.digits);
    });
    this.arrange();
  }

  // The numbers of one row; rows that do not show are filled when they do.
  fill({ i, runs, cells, bar, percent }) {
    const found = this.result?.rows[i];
    const metric = METRICS.findIndex(({ name }) => name === this.view.metric);
    const whole = found ? Number(this.result.totals[metric]) : 0;
    const share = whole ? Number(found.cells[metric]) / whole : 0;
    runs.textContent = found && found.runs !== 1n ? `×${text(found.runs)}` : "";
    cells.forEach((cell, k) => write(cell, found?.cells[k], METRICS[k].unit, this.view.digits));
    bar.style.width = `${(share * 100).toFixed(2)}%`;
    percent.textContent = whole ? `${(share * 100).toFixed(1)} %` : "";
  }

  // Puts the rows in order: siblings sorted, closed groups without their parts, formulas below their layers.
  arrange() {
    const shown = [];
    const visit = (parent) => {
      for (const i of this.sorted(this.children.get(parent) ?? [])) {
        shown.push(i);
        if (!this.closed.has(i)) visit(i);
      }
    };
    if (this.view.flat) shown.push(...this.sorted(this.lines.filter(({ row }) => row.leaf).map(({ i }) => i)));
    else visit(-1);
    const wanted = [];
    for (const i of shown) {
      const { row, line, level, name, toggle } = this.lines[i];
      this.fill(this.lines[i]);
      level.hidden = toggle.hidden = this.view.flat;
      name.textContent = this.view.flat ? row.path : row.name;
      if (!row.leaf) toggle.setAttribute("aria-expanded", String(!this.closed.has(i)));
      name.setAttribute("aria-expanded", String(this.formulas.has(i)));
      wanted.push(line);
      if (this.formulas.has(i)) wanted.push(this.formula(row));
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

  sorted(indices) {
    const { sort, descending } = this.view;
    const metric = METRICS.findIndex(({ name }) => name === (sort === "share" ? this.view.metric : sort));
    const value = (i) => {
      if (sort === "layer" || !this.result) return undefined;
      return sort === "runs" ? Number(numerator(this.result.rows[i].runs)) : this.result.rows[i].cells[metric];
    };
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      return x === undefined || x === y ? 0 : x < y ? -1 : 1;
    };
    const sign = descending ? -1 : 1;
    const found = [...indices].sort((a, b) => sign * order(a, b) || a - b); // what is equal stays as it is in the model
    return sort === "layer" && descending ? found.reverse() : found;
  }

  formula(row) {
    const metric = METRICS.findIndex(({ name }) => name === this.view.metric);
    const template = document.getElementById(`formula-${row.formulas[metric]}`);
    const shown = element("div", { class: "formula" }, element("code", {}, `${this.view.metric} =`), " ", template.content.cloneNode(true));
    const where = element("p", { class: "where" }, row.path, ...(row.class ? [" · ", element("code", {}, row.class)] : []));
    return element("tr", { class: "explanation" }, element("td", { colspan: METRICS.length + 3 }, where, shown));
  }
}

// A heading that may break after an underscore.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [element("wbr"), part] : [part]));

// A number in a cell: four digits, or all of them, which are in the title otherwise.
function write(cell, number, unit, digits) {
  const short = number === undefined ? "—" : digits ? grouped(number) : engineering(number, unit);
  if (cell.number === number && cell.textContent === short) return;
  cell.number = number;
  cell.textContent = short;
  cell.title = number === undefined ? "" : `${grouped(number)} ${unit}`;
}

// An exact number that may be a fraction, as in a repeat that is not whole.
const text = (x) => (typeof x === "bigint" ? grouped(x) : String(Number(x.n) / Number(x.d)));
