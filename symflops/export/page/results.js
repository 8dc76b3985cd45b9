// What the page shows of the results: totals, the machine, charts.

function showTotals(results) {
  METRICS.forEach(({ name, unit }, k) => {
    const first = results[0]?.totals[k];
    results.forEach((result, i) => {
      const number = result?.totals[k];
      find(`total-${i}-${name}`).textContent = number === undefined ? "—" : engineering(number, unit);
      find(`exact-${i}-${name}`).textContent = number === undefined ? "" : grouped(number);
      if (i) find(`ratio-${i}-${name}`).textContent = ratio(number, first);
      if (name === view.metric) find(`short-${i}`).textContent = number === undefined ? "—" : engineering(number, unit);
    });
  });
  results.forEach((result, i) => {
    const value = result ? intensityOf(result.totals.map(Number)) : 0;
    find(`intensity-${i}`).textContent = value ? `${precise(value)} FLOP/B` : "—";
  });
}

const ratio = (number, first) => (number === undefined || !first ? "" : `${Number((Number(number) / Number(first)).toPrecision(3))} × ${MODELS[0].name}`);

// The machine as it is chosen, or undefined where none is, or none that can be; then it is said why.
function chosenMachine(symbols) {
  const machine = DATA.machines.find(({ name }) => name === view.machine);
  const trouble = find("trouble-machine");
  trouble.textContent = "";
  for (const part of all(".with-machine")) part.hidden = !machine;
  find("about-machine").textContent = machine ? "" : "Choose one: bounds on time and throughput, and whether weights and cache fit, follow.";
  if (!machine) return undefined;
  find("devices").placeholder = machine.devices;
  find("source").textContent = machine.source;
  try {
    if (!VIEWS.devices(view.devices)) throw new RangeError("devices: must be a positive integer");
    const on = choose(machine, view, symbols.dtype_bytes);
    find("about-machine").textContent = described(on);
    return on;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    trouble.textContent = error.message;
    return undefined;
  }
}

// The bounds of each model on the machine, shown in the table; undefined for a model without numbers.
function showBounds(results, on) {
  return results.map((result, i) => {
    const found = on && result ? bounds(MODELS[i], result, on) : undefined;
    const texts = found ? boundTexts(MODELS[i], result, found, on) : {};
    for (const place of all(`.bounds [data-model="${i}"]`)) place.textContent = texts[place.dataset.bound] ?? "—";
    return found;
  });
}

// The point in words, for paper.
function showPoint(on) {
  const words = controls.filter(({ exact }) => exact !== undefined).map(({ symbol, value }) => `${symbol.name} = ${value}`);
  find("point").textContent = words.join(", ") + (on ? `, on ${grouped(on.count)} × ${on.machine.name} in ${on.dtype}` : "");
}

function drawCharts(symbols, results, on) {
  const doubles = Object.fromEntries(Object.entries(symbols).map(([name, x]) => [name, toNumber(x)]));
  const current = doubles[view.against] ?? 0;
  const { highest, points } = axis(current);
  const k = METRICS.findIndex(({ name }) => name === view.metric);
  const { unit } = METRICS[k];
  const place = { name: view.against, current, points, highest };
  const lines = MODELS.map((model, i) => LINES.flatMap(({ rows }, line) => (rows[i] !== null && model.rows[rows[i]].leaf ? [line] : [])));
  const columns = MODELS.map((model, i) => {
    const leaves = lines[i].map((line) => model.rows[LINES[line].rows[i]].cells[k]);
    return curve(model, [model.totals[k], ...model.totals, ...leaves], doubles, view.against, points);
  });
  const totals = columns.map((column, i) => ({ ys: column.map((y) => y?.[0] ?? 0), now: Number(results[i]?.totals[k] ?? 0) }));
  drawLines(find("chart-total"), totals, { ...place, unit, label: `${view.metric} against ${view.against}, ${summary(totals, unit, points)}` });
  keyLegend("total", results, (result) => engineering(result.totals[k], unit));
  const intensities = columns.map((column, i) => {
    const now = results[i] ? intensityOf(results[i].totals.map(Number)) : 0;
    return { ys: column.map((y) => (y ? intensityOf(y.slice(1)) : 0)), now };
  });
  const level = on && { value: ridge(on), text: `ridge of ${on.machine.name} in ${on.dtype}: ${separated(ridge(on), 4)} FLOP/B` };
  const words = level ? `, ${level.text}` : "";
  drawLines(find("chart-intensity"), intensities, { ...place, unit: "count", level, label: `FLOP per byte read or written against ${view.against}${words}` });
  keyLegend("intensity", results, (_, i) => (intensities[i].now ? `${precise(intensities[i].now)} FLOP/B` : "—"));
  const shares = columns.map((column, i) => sharesOf(lines[i], column.map((y) => y?.slice(1 + METRICS.length) ?? null)));
  const colors = palette(shares);
  shares.forEach((share, i) => {
    const label = `share of each layer of ${MODELS[i].name} in ${view.metric} against ${view.against}`;
    shareLegend(i, drawShares(find(`chart-shares-${i}`), share, colors, { ...place, label }), share.lines, results[i], k);
  });
  for (const place of all(".chosen-metric")) place.textContent = view.metric;
}

function summary(series, unit, points) {
  return series
    .map(({ ys }, i) => `${MODELS[i].name}: from ${precise(ys[0])} to ${precise(ys.at(-1))} ${unit} at ${points.at(-1)}`)
    .join("; ");
}

const legendItem = (sample, name, number) =>
  element("li", {}, sample, element("span", { class: "part", title: name }, element("bdi", {}, name)), element("span", { class: "number" }, number));

// The models of a chart of lines with what they have now.
function keyLegend(chart, results, number) {
  const items = results.map((result, i) => {
    const sample = element("span", { class: `key line-${i % 4}`, "aria-hidden": "true" });
    return legendItem(sample, MODELS[i].name, result ? number(result, i) : "—");
  });
  find(`legend-${chart}`).replaceChildren(...items);
}

// The parts of a stacked chart with what share they have now, in the order in which they are stacked.
function shareLegend(i, parts, lines, result, k) {
  const whole = Number(result?.totals[k] ?? 0);
  const number = (line) => Number(result.rows[LINES[line].rows[i]].cells[k]);
  const items = parts.map(({ name, color, members }) => {
    const share = whole ? `${((members.reduce((sum, m) => sum + number(lines[m]), 0) / whole) * 100).toFixed(1)} %` : "—";
    return legendItem(element("span", { class: `swatch area-${color}`, "aria-hidden": "true" }), name, share);
  });
  find(`legend-shares-${i}`).replaceChildren(...items.reverse());
}
