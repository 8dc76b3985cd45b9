// What the page fetches, each once: the library, real configs, and the type of a config when it is chosen; the other types
// after that, when nothing else is to be done, so that the page works on without a connection.

const fetchedTexts = new Map();

function fetched(path) {
  if (!fetchedTexts.has(path)) {
    const found = fetchText(path);
    found.catch(() => fetchedTexts.delete(path)); // to be tried again
    fetchedTexts.set(path, found);
  }
  return fetchedTexts.get(path);
}

async function fetchText(path) {
  let response;
  try {
    response = await fetch(path);
  } catch {
    const why = location.protocol === "file:" ? "a browser fetches nothing for a page in a file; serve the folder: python -m http.server" : "there is no connection";
    throw new Refusal(`cannot load ${path}: ${why}`); // whatever the browser says, it is in its console
  }
  if (!response.ok) throw new Refusal(`cannot load ${path}: the server says ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b; // some servers have unpacked it already
  return isPacked ? unpacked(bytes, "gzip") : new TextDecoder().decode(bytes);
}

async function unpacked(bytes, format, most = Infinity) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format)).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).text();
    size += value.length;
    if (size > most) throw new Refusal("the address has more than a config");
    parts.push(value);
  }
}

async function packed(text) {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function fromPacked(letters, most) {
  const bytes = Uint8Array.from(atob(letters.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  return unpacked(bytes, "deflate-raw", most);
}

const entryOf = new Map();

async function entryFor(type) {
  if (!entryOf.has(type)) {
    const [said, steps] = (await fetched(`types/${type}.json.gz`)).split("\n");
    entryOf.set(type, { entry: parseJson(said), program: JSON.parse(steps) });
  }
  return entryOf.get(type);
}

// Fetches one file after the other while the page is idle. What fails is tried again when it is needed.
function fetchAhead(paths) {
  if (!paths.length || navigator.connection?.saveData) return;
  const soon = window.requestIdleCallback ?? ((act) => setTimeout(act, 500));
  soon(() => fetched(paths[0]).then(() => fetchAhead(paths.slice(1)), () => {}));
}
