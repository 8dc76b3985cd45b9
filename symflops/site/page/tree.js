// The layers of several models as one tree (page_tree.py), and the components of a model (analysis/parts.py).

// The lines of a table of these models' rows, each group before its parts: in the order of the first model; what only a
// later one has stands behind the line that it follows there, or before the one that follows it.
function merged(models) {
  const top = { path: "", rows: [], parts: [] };
  models.forEach(({ rows }, number) => {
    const nodes = [];
    const last = new Map();
    rows.forEach((row, i) => {
      const { parts } = row.parent < 0 ? top : nodes[row.parent];
      let at = parts.findIndex(({ path }) => path === row.path);
      if (at < 0) {
        at = last.has(row.parent) ? last.get(row.parent) + 1 : beforeNext(parts, rows.slice(i + 1));
        parts.splice(at, 0, { path: row.path, rows: models.map(() => null), parts: [] });
      }
      last.set(row.parent, at);
      nodes.push(parts[at]);
      parts[at].rows[number] = i;
    });
  });
  const lines = [];
  const write = (group, place) => {
    for (const node of group.parts) {
      const name = place < 0 ? node.path : node.path.slice(group.path.length + 1);
      lines.push({ name, path: node.path, parent: place, depth: place < 0 ? 0 : lines[place].depth + 1, rows: node.rows });
      write(node, lines.length - 1);
    }
  };
  write(top, -1);
  return lines;
}

function beforeNext(parts, rows) {
  const known = new Map(parts.map(({ path }, place) => [path, place]));
  const next = rows.find(({ path }) => known.has(path));
  return next ? known.get(next.path) : parts.length;
}

// What a model is made of on the level that people talk about: its rows that add up to the total, by name.
function components({ rows }) {
  const partsOfRow = (place) => rows.flatMap((row, i) => (row.parent === place ? [i] : []));
  const isGroup = (place) => !rows[place].whole && partsOfRow(place).length > 0;
  const isRepeated = (place) => rows[place].repeats;
  const below = new Set(rows.flatMap((row, i) => (isRepeated(i) && isGroup(i) ? [row.class] : [])));
  const hasRepeats = (place) => partsOfRow(place).some((i) => isGroup(i) && (isRepeated(i) || hasRepeats(i)));
  const found = new Map();
  const visit = (place, inside) => {
    const row = rows[place];
    const alike = row.class !== "" && below.has(row.class);
    const parts = partsOfRow(place);
    const isOpened = inside ? isRepeated(place) && parts.some(isGroup) : isGroup(place) && (isRepeated(place) || alike || hasRepeats(place));
    if (isOpened) for (const part of parts) visit(part, inside || isRepeated(place) || alike);
    else {
      const name = row.path.split(".").at(-1);
      found.set(name, [...(found.get(name) ?? []), place]);
    }
  };
  for (const place of partsOfRow(-1)) visit(place, false);
  return found;
}
