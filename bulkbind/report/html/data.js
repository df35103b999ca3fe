"use strict";
/* What the packs hold, unpacked: columns of all rows; searched and sorted by number.
   How a pack is written: packing.py. */

const ID_BYTES = 16;

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

async function unpacked(node) {
  const stream = new Blob([bytesOf(node.textContent)])
    .stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  node.textContent = ""; // the text is not needed any more
  return bytes;
}

function packsOf(kind) {
  return document.querySelectorAll(`script[data-pack="${kind}"]`);
}

/* Reads one pack, column by column. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    const length = new DataView(bytes.buffer).getUint32(0, true);
    this.head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    this.rows = this.head.rows;
    this.at = 4 + length;
  }

  raw(size) {
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  planes(column, from, width) {
    for (let plane = 0; plane < width; plane++) {
      const part = this.raw(this.rows);
      const shift = 8 * plane;
      for (let row = 0; row < part.length; row++) {
        if (part[row]) column[from + row] |= part[row] << shift;
      }
    }
  }
}

/* All rows as columns, and the texts that their numbers stand for. */
class Rows {
  constructor(facts) {
    const many = facts.rows;
    this.facts = facts;
    this.length = many;
    this.files = new Uint16Array(many);
    this.lines = new Uint32Array(many);
    this.ids = new Uint8Array(many * ID_BYTES);
    this.odd = new Map(); // row -> an id that is not 32 hexadecimal digits
    this.targets = new Uint32Array(many);
    this.verdicts = new Uint8Array(many);
    this.codes = new Uint32Array(many);
    this.replaced = new Uint32Array(many);
    this.attempts = new Uint16Array(many);
    this.carried = facts.carried.map(() => new Uint8Array(many));
  }

  static async read() {
    const text = new TextDecoder().decode(await unpacked(packsOf("facts")[0]));
    const rows = new Rows(JSON.parse(text));
    let from = 0;
    for (const node of packsOf("rows")) from += rows.take(new Reader(await unpacked(node)), from);
    rows.addUpLines();
    for (let place = 0; place < rows.carried.length; place++) {
      let at = 0;
      for (const node of packsOf(`carried-${place}`)) {
        const part = await unpacked(node);
        rows.carried[place].set(part, at);
        at += part.length;
      }
    }
    return rows;
  }

  take(reader, from) {
    reader.planes(this.files, from, 2);
    reader.planes(this.lines, from, 4);
    this.ids.set(reader.raw(reader.rows * ID_BYTES), from * ID_BYTES);
    for (const [at, text] of reader.head.odd) this.odd.set(from + at, text);
    reader.planes(this.targets, from, 4);
    reader.planes(this.verdicts, from, 1);
    reader.planes(this.codes, from, 4);
    reader.planes(this.replaced, from, 4);
    reader.planes(this.attempts, from, 2);
    return reader.rows;
  }

  addUpLines() {
    let line = 0;
    for (let row = 0; row < this.length; row++) {
      line = (line + this.lines[row]) >>> 0;
      this.lines[row] = line;
    }
  }

  id(row) {
    const odd = this.odd.get(row);
    if (odd !== undefined) return odd;
    let text = "";
    for (let at = row * ID_BYTES; at < (row + 1) * ID_BYTES; at++) {
      text += (this.ids[at] < 16 ? "0" : "") + this.ids[at].toString(16);
    }
    return text;
  }

  target(row) {
    const [account, instance_id, plugin_id, env_id, plugin_name, env_name] =
      this.facts.targets[this.targets[row]];
    return { account, instance_id, plugin_id, env_id, plugin_name, env_name };
  }

  value(row, place) {
    return this.facts.carried[place].values[this.carried[place][row]];
  }

  /* One row as texts and numbers, under the names of report.csv. */
  row(row) {
    const facts = this.facts;
    return {
      file: facts.files[this.files[row]],
      line: this.lines[row],
      api_id: this.id(row),
      ...this.target(row),
      verdict: facts.verdicts[this.verdicts[row]],
      error_code: facts.codes[this.codes[row]],
      replaced_plugin_id: facts.replaced[this.replaced[row]],
      attempts: this.attempts[row],
      carried: Object.fromEntries(facts.carried.map((one, place) => [one.name, this.value(row, place)])),
    };
  }

  /* Return 1 for each row whose id begins so, or that carries a value with it. */
  search(text) {
    const wanted = text.trim().toLowerCase();
    const mask = new Uint8Array(this.length);
    if (/^[0-9a-f]{1,32}$/.test(wanted)) this.beginning(wanted, mask);
    for (const [row, id] of this.odd) mask[row] = id.toLowerCase().startsWith(wanted) ? 1 : 0;
    this.facts.carried.forEach(({ values }, place) => {
      const hits = Uint8Array.from(values, (value) => (value.toLowerCase().includes(wanted) ? 1 : 0));
      if (!hits.includes(1)) return;
      const column = this.carried[place];
      for (let row = 0; row < mask.length; row++) mask[row] |= hits[column[row]];
    });
    return mask;
  }

  beginning(digits, mask) {
    const whole = digits.length >> 1;
    const bytes = [];
    for (let at = 0; at < whole; at++) bytes.push(parseInt(digits.slice(2 * at, 2 * at + 2), 16));
    const half = digits.length % 2 ? parseInt(digits.at(-1), 16) : -1;
    const ids = this.ids;
    rows: for (let row = 0, at = 0; row < mask.length; row++, at += ID_BYTES) {
      for (let place = 0; place < whole; place++) {
        if (ids[at + place] !== bytes[place]) continue rows;
      }
      if (half < 0 || ids[at + whole] >> 4 === half) mask[row] = 1;
    }
  }

  /* Set to 0 what has another number than the chosen ones in a column. */
  static keep(mask, column, chosen) {
    for (let row = 0; row < mask.length; row++) mask[row] &= chosen[column[row]];
  }

  /* Return all rows, sorted by a column; equal ones stay in the manifest's order. */
  sorted(column, places) {
    const all = Uint32Array.from({ length: this.length }, (_, row) => row);
    return counted(all, (row) => places[column[row]], places.length);
  }

  sortedByNumber(column) {
    let order = Uint32Array.from({ length: this.length }, (_, row) => row);
    for (let shift = 0; shift < 8 * column.BYTES_PER_ELEMENT; shift += 8) {
      order = counted(order, (row) => (column[row] >>> shift) & 255, 256);
    }
    return order;
  }

  sortedById() {
    const ids = this.ids;
    let order = Uint32Array.from({ length: this.length }, (_, row) => row);
    for (let place = ID_BYTES - 1; place >= 0; place--) {
      order = counted(order, (row) => ids[row * ID_BYTES + place], 256);
    }
    if (!this.odd.size) return order;
    const odd = [...this.odd.keys()].sort((a, b) => compare(this.odd.get(a), this.odd.get(b)));
    return Uint32Array.from([...odd, ...order.filter((row) => !this.odd.has(row))]);
  }
}

/* Sort rows by a small number, keeping the order of equal ones. */
function counted(rows, key, many) {
  const starts = new Uint32Array(many + 1);
  for (let at = 0; at < rows.length; at++) starts[key(rows[at]) + 1]++;
  for (let place = 0; place < many; place++) starts[place + 1] += starts[place];
  const sorted = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) sorted[starts[key(rows[at])]++] = rows[at];
  return sorted;
}

function compare(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

/* For each text its place among all of them, sorted. */
function placesOf(texts) {
  const order = texts.map((_, at) => at).sort((a, b) => compare(texts[a], texts[b]));
  const places = new Uint32Array(texts.length);
  order.forEach((at, place) => { places[at] = place; });
  return places;
}
