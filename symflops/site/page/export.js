// What is shown as files: CSV, JSON and LaTeX of the numbers and closed forms, SVG and PNG of a chart.

const cell = (x) => (/[",\n\r]/.test(String(x)) ? `"${String(x).replaceAll('"', '""')}"` : String(x));

function asCsv(models, results) {
  const lines = [["model", "layer", "class", "runs", ...METRICS.map(({ name }) => name)]];
  models.forEach((model, i) => {
    if (!results[i]) return;
    model.rows.forEach((row, k) => {
      const { runs, cells } = results[i].rows[k];
      if (row.leaf) lines.push([model.name, row.path, row.class, typeof runs === "bigint" ? runs : toNumber(runs), ...cells]);
    });
    lines.push([model.name, "total", "", "", ...results[i].totals]);
  });
  return `${lines.map((line) => line.map(cell).join(",")).join("\n")}\n`;
}

// JSON in which whole numbers have all their digits.
function plainJson(x) {
  if (typeof x === "bigint") return String(x);
  if (Array.isArray(x)) return `[${x.map(plainJson).join(", ")}]`;
  if (typeof x === "object" && x !== null) return `{${Object.entries(x).map(([key, value]) => `${JSON.stringify(key)}: ${plainJson(value)}`).join(", ")}}`;
  return JSON.stringify(x);
}

function asJson(models, results, symbols) {
  const at = Object.fromEntries(Object.entries(symbols).map(([name, x]) => [name, typeof x === "bigint" ? x : toNumber(x)]));
  const found = models.map((model, i) => ({
    model: model.name,
    type: model.type,
    symbols: Object.fromEntries(model.answer.symbols),
    formulas: Object.fromEntries(METRICS.map(({ name }, k) => [name, polynomialOf(model, model.totals[k]).text()])),
    totals: results[i] ? Object.fromEntries(METRICS.map(({ name }, k) => [name, results[i].totals[k]])) : null,
    notes: model.notes,
  }));
  return `${plainJson({ at, models: found })}\n`;
}

const latexText = (text) => text.replace(/[\\{}]/g, "").replace(/[_&%$#]/g, "\\$&").replace(/[~^]/g, "");

function asLatex(models, results) {
  const columns = models.map(() => "r").join("");
  const heads = models.map(({ name }) => latexText(name)).join(" & ");
  const rows = METRICS.map(({ name, unit }, k) => {
    const numbers = results.map((result) => (result ? grouped(result.totals[k]) : "--")).join(" & ");
    return `${latexText(name)} [${unit}] & ${numbers} \\\\`;
  });
  const forms = models.flatMap((model) => [
    `% ${model.name.replace(/[^\w .-]/g, "")}`,
    "\\begin{align*}",
    METRICS.map(({ name }, k) => `\\text{${latexText(name)}} &= ${inLatex(polynomialOf(model, model.totals[k]))}`).join(" \\\\\n"),
    "\\end{align*}",
  ]);
  return ["% needs amsmath and booktabs", `\\begin{tabular}{l${columns}}`, "\\toprule", ` & ${heads} \\\\`, "\\midrule", ...rows, "\\bottomrule", "\\end{tabular}", "", ...forms, ""].join("\n");
}

const DRAWN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "font-family", "font-size", "paint-order", "color"];

// A chart with the style that it has on the page, on its own.
function asSvg(svg) {
  const made = svg.cloneNode(true);
  const [own, others] = [[svg, ...svg.querySelectorAll("*")], [made, ...made.querySelectorAll("*")]];
  own.forEach((from, i) => {
    const style = getComputedStyle(from);
    for (const name of DRAWN) others[i].setAttribute(name, style.getPropertyValue(name));
    others[i].removeAttribute("class");
  });
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  made.setAttribute("xmlns", SVG_NAMES);
  made.setAttribute("width", width);
  made.setAttribute("height", height);
  const paper = document.createElementNS(SVG_NAMES, "rect");
  for (const [name, value] of Object.entries({ width, height, fill: getComputedStyle(svg.closest("section")).backgroundColor })) paper.setAttribute(name, value);
  made.prepend(paper);
  return new XMLSerializer().serializeToString(made);
}

const SVG_NAMES = "http://www.w3.org/2000/svg";

async function asPng(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(asSvg(svg))}`;
  await image.decode();
  const canvas = element("canvas");
  const scale = 2;
  [canvas.width, canvas.height] = [image.width * scale, image.height * scale];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function save(content, name, type) {
  const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
