// What a machine makes of a model: the bounds of `symflops roofline`, in exact numbers.

// A metric of a layer's cells, or of the totals.
const metricOf = (cells, metric) => cells[METRICS.findIndex(({ name }) => name === metric)];

const rational = ([n, d]) => fraction(BigInt(n), BigInt(d));

// A machine as it is chosen: all its devices together, multiplying in one data type. Throws where it has none that holds an
// element of so many bytes; with the name of one, that one.
function choose(machine, { devices, dtype, unfused }, elementBytes) {
  if (elementBytes === undefined) throw new RangeError("no value for dtype_bytes");
  const wide = DATA.dtypes.find(({ name, bytes }) => !isLess(rational(bytes), elementBytes) && name in machine.peak);
  const chosen = dtype || wide?.name;
  if (!chosen) {
    const valid = Object.keys(machine.peak).join(", ");
    throw new RangeError(`${machine.name} has no data type of ${text(elementBytes)} bytes; valid: ${valid}`);
  }
  const count = BigInt(devices || machine.devices);
  const all = (number) => number && times(rational(number), count);
  return {
    machine, count, unfused, dtype: chosen, peak: all(machine.peak[chosen]), vector: all(machine.vector[chosen]),
    bandwidth: all(machine.bandwidth), memory: all(machine.memory),
  };
}

// The least times of a layer, or of the whole model, in seconds. What nobody states bounds nothing.
function bound(cells, on) {
  const [flops, matmul, read, write] = ["flops", "matmul_flops", "read_bytes", "write_bytes"].map((name) => metricOf(cells, name));
  const traffic = on.unfused ? plus(read, write, times(2n, metricOf(cells, "intermediate_bytes"))) : plus(read, write);
  const found = {
    matmul: quotient(matmul, on.peak),
    vector: on.vector && quotient(plus(flops, negative(matmul)), on.vector),
    memory: quotient(traffic, on.bandwidth),
  };
  const seconds = greatest(found.matmul, found.vector ?? 0n, found.memory);
  const binds = ["memory", "matmul", "vector"].find((kind) => found[kind] !== undefined && !isLess(found[kind], seconds));
  return { ...found, seconds, binds };
}

// All that the page says of a model on a machine. The bounds of single layers are known where all layers are shown, down to
// the last: a group that is shown without its parts has none.
function bounds(model, result, on) {
  const layers = model.rows.map(({ leaf, whole }, i) => (leaf && whole ? bound(result.rows[i].exact, on) : undefined));
  const isWhole = model.rows.every(({ leaf, whole }) => whole || !leaf);
  const sum = isWhole ? plus(...layers.filter(Boolean).map(({ seconds }) => seconds)) : undefined;
  const total = bound(result.exact, on);
  const weights = floor(result.weights);
  const needed = result.kept === undefined ? undefined : plus(weights, result.kept);
  return {
    layers, sum, total, weights, needed,
    speed: total.seconds === 0n ? undefined : quotient(result.fed, total.seconds),
    fits: needed === undefined ? undefined : !isLess(on.memory, needed),
  };
}

// The least time of every line of the layer table for one model: of a group, that of its layers one after another.
function lineTimes(lines, i, model, found) {
  const sums = new Array(lines.length).fill(0n);
  for (let k = lines.length - 1; k >= 0; k -= 1) {
    const row = lines[k].rows[i];
    if (row === null) sums[k] = undefined;
    else {
      if (model.rows[row].leaf) sums[k] = found.layers[row]?.seconds;
      const parent = lines[k].parent;
      if (parent >= 0) sums[parent] = sums[k] === undefined || sums[parent] === undefined ? undefined : plus(sums[parent], sums[k]);
    }
  }
  return sums;
}

// FLOPs per byte at which matrix products and memory take the same time.
const ridge = (on) => toNumber(quotient(on.peak, on.bandwidth));

// The machine in one line, as the command line describes it.
function described(on) {
  const { machine, count, dtype, peak, bandwidth } = on;
  const one = (number) => floor(quotient(number, count));
  const many = count > 1n ? `${grouped(count)} × ` : "";
  const speeds = `${engineering(one(peak), "FLOP")}/s in ${dtype}, ${engineering(one(bandwidth), "byte")}/s`;
  return `${many}${machine.about}: ${speeds}, ridge at ${separated(ridge(on), 4)} FLOP/B`;
}

// What the table says of a model, by the row's name.
function boundTexts(model, result, found, on) {
  const { total } = found;
  const bytes = (number) => engineering(nearest("cache", number), "byte");
  const intensity = intensityOf(result.totals.map(Number));
  const room = bytes(on.memory);
  const fit = { true: `fit into ${room}`, false: `do not fit into ${room}`, undefined: `not known to fit into ${room}` };
  const part = found.needed === undefined ? "" : ` (${general((toNumber(found.needed) / toNumber(on.memory)) * 100, 3)}\u00a0%)`;
  const stated = (seconds) => (seconds === undefined ? "peak not stated" : time(seconds));
  return {
    speed: found.speed === undefined ? "—" : `${separated(toNumber(found.speed), 6)} ${model.unit}/s`,
    least: time(total.seconds),
    binds: total.binds,
    matmul: time(total.matmul),
    vector: stated(total.vector),
    memory: time(total.memory),
    sum: found.sum === undefined ? "— (not all layers are shown)" : time(found.sum),
    intensity: intensity === 0 ? "—" : `${precise(intensity)} FLOP/B`,
    weights: bytes(found.weights),
    kept: result.kept === undefined ? "not known" : bytes(result.kept),
    fit: fit[String(found.fits)] + part,
  };
}

// FLOPs per byte of totals in doubles; 0 where nothing is moved.
function intensityOf(totals) {
  const moved = metricOf(totals, "read_bytes") + metricOf(totals, "write_bytes");
  return moved > 0 ? metricOf(totals, "flops") / moved : 0;
}
