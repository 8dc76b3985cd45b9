// Charts as SVG, drawn anew at every change. Numbers in them are doubles; what is printed as a number is exact.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 74, right: 26, top: 12, bottom: 40 }; // on the right, half of the last tick's text
const HEIGHT = 230;
const POINTS = 64;
const COLORS = 10; // layers with an area of their own, of all models together; the rest is one
const LEAST = 0.005; // and the share that such a layer has somewhere

function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

// How wide each chart is. Asking while a change is being shown would make the browser lay out the page once per chart.
const widths = new Map();

function measure() {
  for (const svg of document.querySelectorAll("svg.chart")) widths.set(svg, Math.max(280, svg.getBoundingClientRect().width));
}

// Points of a logarithmic axis, from 1 to a power of two beyond the current value, unless that is beyond all reason.
function axis(current) {
  const highest = Math.min(60, Math.max(17, Math.ceil(Math.log2(Math.max(1, current))) + 1));
  const points = Array.from({ length: POINTS + 1 }, (_, i) => Math.round(2 ** ((highest * i) / POINTS)));
  return { highest, points: [...new Set(points)] };
}

// The values of some steps of a model along an axis; where its formula does not hold, none. The axis, its points and its
// width are the same in all charts.
function curve(model, results, symbols, name, points) {
  const conditions = model.conditions.flatMap(({ left, right }) => [left, right]);
  const order = needed(model.steps, [...results, ...conditions]);
  const isLess = (a, b) => a < b;
  return points.map((point) => {
    try {
      const values = run(model.steps, order, { ...symbols, [name]: point }, DOUBLE);
      const found = results.map((step) => values[step]);
      return !broken(model, values, isLess) && found.every((y) => Number.isFinite(y) && y >= 0) ? found : null;
    } catch (error) {
      if (error instanceof RangeError) return null; // a symbol without a value: said above the charts
      throw error;
    }
  });
}

// The frame of a chart: grid, ticks, names. `y` maps values to 0..1; `ticks` are [value, text] pairs. It is drawn anew only
// when it changes, and what is added to the chart goes into a group above it.
function frame(svg, { highest, name, current, y, ticks, label }) {
  const width = widths.get(svg);
  const [inside, tall] = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
  const right = (x) => MARGIN.left + (Math.log2(x) / highest) * inside;
  const down = (value) => MARGIN.top + (1 - y(value)) * tall;
  const key = JSON.stringify([width, highest, name, ticks]);
  if (svg.key !== key) {
    svg.key = key;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren(shape("title"), ...grid({ right, down, inside, tall, highest, name, ticks }), shape("g"));
    svg.pick = (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width;
      return Math.max(1, Math.min(2 ** highest, Math.round(2 ** (((x - MARGIN.left) / inside) * highest))));
    };
  }
  svg.firstChild.textContent = label;
  const group = shape("g");
  svg.lastChild.replaceWith(group);
  const now = { class: "now", x1: right(current), x2: right(current), y1: MARGIN.top, y2: MARGIN.top + tall };
  const isHere = current >= 1 && current <= 2 ** highest;
  const mark = () => group.append(...(isHere ? [shape("line", now)] : []));
  return { right, down, mark, group, isHere, inside };
}

function grid({ right, down, inside, tall, highest, name, ticks }) {
  const parts = [];
  const [left, floor] = [MARGIN.left, MARGIN.top + tall];
  for (const [value, text] of ticks) {
    parts.push(shape("line", { class: "grid", x1: left, x2: left + inside, y1: down(value), y2: down(value) }));
    parts.push(shape("text", { class: "tick", x: left - 8, y: down(value) + 4, "text-anchor": "end" }, text));
  }
  const every = [1, 2, 4, 8].find((count) => (inside / highest) * count > 40) ?? 16;
  for (let power = 0; power <= highest; power += every) {
    const at = right(2 ** power);
    const text = `${2 ** (power % 10)} ${["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][Math.floor(power / 10)]}`.trim();
    parts.push(shape("line", { class: "grid", x1: at, x2: at, y1: MARGIN.top, y2: floor }));
    parts.push(shape("text", { class: "tick", x: at, y: floor + 18, "text-anchor": "middle" }, text));
  }
  parts.push(shape("text", { class: "axis", x: left + inside / 2, y: HEIGHT - 5, "text-anchor": "middle" }, name));
  return parts;
}

// One line per model on two logarithmic axes. `series`: [{ys, now}]; `level`, if any, is a line across: {value, text}.
function drawLines(svg, series, { unit, points, level, ...place }) {
  const values = [...series.flatMap(({ ys }) => ys), level?.value ?? 0].filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...values, Infinity)));
  const high = Math.ceil(Math.log10(Math.max(...values, 0)) + 1e-9);
  const [bottom, top] = Number.isFinite(low) && Number.isFinite(high) ? [low, Math.max(high, low + 1)] : [0, 1];
  const y = (value) => (Math.log10(Math.max(value, 10 ** bottom)) - bottom) / (top - bottom);
  const step = Math.max(1, Math.ceil((top - bottom) / 6));
  const ticks = [];
  for (let power = bottom; power <= top; power += step) ticks.push([10 ** power, tickText(power, unit)]);
  const { right, down, mark, group, isHere, inside } = frame(svg, { ...place, y, ticks });
  if (level) {
    const across = { x1: MARGIN.left, x2: MARGIN.left + inside, y1: down(level.value), y2: down(level.value) };
    const at = { class: "level-text", x: MARGIN.left + 8, y: down(level.value) - 6 };
    group.append(shape("line", { class: "level", ...across }), shape("text", at, level.text));
  }
  mark();
  series.forEach(({ ys, now }, i) => {
    let path = "";
    let isPen = false;
    ys.forEach((value, k) => {
      if (value > 0) path += `${isPen ? "L" : "M"}${right(points[k]).toFixed(1)} ${down(value).toFixed(1)}`;
      isPen = value > 0;
    });
    group.append(shape("path", { class: `line line-${i % 4}`, d: path }));
    if (now > 0 && isHere) group.append(shape("circle", { class: `dot line-${i % 4}`, cx: right(place.current), cy: down(now), r: 4.5 }));
  });
}

function tickText(power, unit) {
  if (power < 0) return power < -3 ? `1e${power}` : (10 ** power).toFixed(-power);
  return engineering(10n ** BigInt(power), unit);
}

// The layers that have a colour, as a map from the line of the layer table to the colour's number: those with the largest
// share anywhere in the charts, in the order of the table. A layer has one colour in all models.
function palette(shares) {
  const peaks = new Map();
  for (const { lines, columns } of shares) {
    lines.forEach((line, k) => {
      const peak = Math.max(0, ...columns.map((column) => column?.[k] ?? 0));
      if (peak >= LEAST) peaks.set(line, Math.max(peak, peaks.get(line) ?? 0));
    });
  }
  const order = [...peaks.keys()].sort((a, b) => peaks.get(b) - peaks.get(a) || a - b);
  return new Map(order.slice(0, COLORS).sort((a, b) => a - b).map((line, color) => [line, color]));
}

// What share each layer of a model has along the axis. `cells`: their values at each point, or null.
function sharesOf(lines, cells) {
  const columns = cells.map((column) => {
    const total = column && column.reduce((sum, value) => sum + value, 0);
    return total > 0 ? column.map((value) => value / total) : null;
  });
  return { lines, columns };
}

// The shares of one model, stacked. Returns the parts for the legend: what they are, their colours, and the layers in them.
function drawShares(svg, { lines, columns }, colors, { points, ...place }) {
  const members = [...lines.keys()].filter((k) => columns.some((column) => column?.[k] > 0));
  const parts = members.filter((k) => colors.has(lines[k])).map((k) => ({ name: DATA.tree[lines[k]].path, color: colors.get(lines[k]), members: [k] }));
  const rest = members.filter((k) => !colors.has(lines[k]));
  if (rest.length) parts.push({ name: `${rest.length} other layer${rest.length > 1 ? "s" : ""}`, color: "rest", members: rest });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, `${share * 100} %`]);
  const { right, down, mark, group } = frame(svg, { ...place, y: (share) => share, ticks });
  const below = columns.map(() => 0);
  for (const { name, color, members: own } of parts) {
    const above = columns.map((share, k) => below[k] + (share ? own.reduce((sum, m) => sum + share[m], 0) : 0));
    const there = points.map((_, k) => k).filter((k) => columns[k]);
    const edge = (heights, k) => `${right(points[k]).toFixed(1)} ${down(heights[k]).toFixed(1)}`;
    const outline = [...there.map((k) => edge(above, k)), ...there.reverse().map((k) => edge(below, k))];
    const area = shape("path", { class: `area area-${color}`, d: `M${outline.join("L")}Z` });
    area.append(shape("title", {}, name));
    if (outline.length) group.append(area);
    above.forEach((height, k) => (below[k] = height));
  }
  mark();
  return parts;
}
