/* Shows the rows. Outside text only ever becomes textContent. */

const ROW_PX = 30;
const MOST_PX = 12_000_000; // browsers draw nothing taller than about 17 million
const PRINTED = 1_000;
const LISTED = 200;

const byId = (id) => document.getElementById(id);
const FAILED = ["failed", "unconfirmed", "not_sent", "invalid"];

/* As words.py: what is not seen, or turns what stands beside it, by its number. */
const UNSEEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]"
  + "|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]", "g");
const shown = (text) => String(text)
  .replace(UNSEEN, (met) => "\\u" + met.charCodeAt(0).toString(16).padStart(4, "0"));

function made(tag, text = "", css = "") {
  const node = document.createElement(tag);
  if (text !== "") node.textContent = shown(text);
  if (css) node.className = css;
  return node;
}

/* Each target as one text; its account only where there are several. */
function targetTextsOf(targets) {
  const several = new Set(targets.map((one) => one[0])).size > 1;
  return targets.map(([account, instance, plugin, env, pluginName, envName]) =>
    [pluginName || plugin, envName || env, instance, ...(several ? [account] : [])].join(" \u00b7 "));
}

/* What the table shows: name, width in pixels, a row's text, and its order. */
function columnsOf(rows, targetTexts) {
  const { files, verdicts, codes, replaced, carried } = rows.facts;
  const coded = (name, width, column, texts, css) => ({
    name, width, css,
    text: (row) => texts[column[row]],
    order: () => rows.sorted(column, placesOf(texts)),
  });
  const met = (texts, column) => (texts.some(Boolean) ? [column] : []); // none: no column
  return [
    ...(files.length > 1 ? [coded("file", 130, rows.files, files)] : []),
    { name: "line", width: 84, css: "n", text: (row) => String(rows.lines[row]), order: null },
    { name: "api_id", width: 282, css: "id", text: (row) => rows.id(row), order: () => rows.sortedById() },
    coded("target", 300, rows.targets, targetTexts, "target"),
    coded("verdict", 118, rows.verdicts, verdicts, "verdict"),
    ...met(codes, coded("code", 212, rows.codes, codes)),
    ...met(replaced, coded("replaced", 130, rows.replaced, replaced, "id")),
    { name: "attempts", width: 88, css: "n", text: (row) => String(rows.attempts[row]),
      order: () => rows.sortedByNumber(rows.attempts) },
    ...carried.map((one, place) => coded(one.name, 150, rows.carried[place], one.values)),
  ];
}

class Explorer {
  constructor(rows) {
    this.rows = rows;
    this.targets = targetTextsOf(rows.facts.targets);
    this.columns = columnsOf(rows, this.targets);
    this.targetTexts = rows.facts.targets.map((one, number) =>
      `${this.targets[number]} ${one.join(" ")}`.toLowerCase());
    this.orders = new Map();
    this.sort = { column: null, down: false };
    this.first = 0; // place in the view of the uppermost row shown
    this.chosen = -1; // row
    this.slots = [];
    this.view = new Uint32Array(0);
    this.scroller = byId("scroller");
    this.grid = byId("grid");
    this.body = this.grid.tBodies[0];
    this.drawHead();
    this.fillFilters();
    this.listen();
  }

  drawHead() {
    const line = made("tr");
    line.setAttribute("aria-rowindex", "1");
    this.heads = this.columns.map((column) => {
      const head = made("th", "", column.css === "n" ? "n" : "");
      const button = made("button", column.name);
      head.scope = "col";
      head.style.width = `${column.width}px`;
      button.type = "button";
      button.addEventListener("click", () => this.sortBy(column));
      head.append(button);
      line.append(head);
      return head;
    });
    this.grid.tHead.replaceChildren(line);
    this.grid.style.width = `${this.columns.reduce((sum, column) => sum + column.width, 0)}px`;
  }

  fillFilters() {
    const { facts, verdicts, codes } = this.rows;
    const counts = (column, many) => {
      const found = new Uint32Array(many);
      for (let row = 0; row < column.length; row++) found[column[row]]++;
      return found;
    };
    const add = (id, value, text) => {
      const option = made("option", text);
      option.value = value;
      byId(id).append(option);
    };
    const byVerdict = counts(verdicts, facts.verdicts.length);
    const failed = FAILED.reduce((sum, name) => sum + byVerdict[facts.verdicts.indexOf(name)], 0);
    if (failed) add("f-verdict", "!", `all that failed (${failed.toLocaleString("en")})`);
    byVerdict.forEach((many, at) => {
      if (many) add("f-verdict", at, `${facts.verdicts[at]} (${many.toLocaleString("en")})`);
    });
    counts(codes, facts.codes.length).forEach((many, at) => {
      if (many) add("f-code", at, `${facts.codes[at] || "none"} (${many.toLocaleString("en")})`);
    });
    for (const text of this.targets.slice(0, LISTED)) {
      const option = made("option");
      option.value = text;
      byId("targets").append(option);
    }
  }

  listen() {
    const form = byId("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.refresh());
    byId("clear").addEventListener("click", () => this.clear());
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.pressed(event));
    this.body.addEventListener("click", (event) => {
      const slot = this.slots.findIndex((line) => line.contains(event.target));
      if (slot >= 0) this.choose(this.view[this.first + slot]);
    });
    byId("copy-ids").addEventListener("click", () => this.copyIds());
    byId("copy-id").addEventListener("click", () => copy(this.rows.id(this.chosen), "id copied"));
    byId("copy-link").addEventListener("click", () => copy(this.link(), "link copied"));
    window.addEventListener("resize", () => this.resize());
    window.addEventListener("hashchange", () => this.follow());
    window.addEventListener("beforeprint", () => this.print());
    window.addEventListener("afterprint", () => this.resize());
  }

  /* --- which rows --------------------------------------------------------------- */

  mask() {
    const rows = this.rows;
    const text = byId("search").value.trim();
    const mask = text ? rows.search(text) : new Uint8Array(rows.length).fill(1);
    const facts = rows.facts;
    const only = (many, wanted) => Uint8Array.from({ length: many }, (_, at) => (wanted(at) ? 1 : 0));
    const verdict = byId("f-verdict").value;
    if (verdict) {
      const wanted = verdict === "!" ? (at) => FAILED.includes(facts.verdicts[at]) : (at) => at === +verdict;
      Rows.keep(mask, rows.verdicts, only(facts.verdicts.length, wanted));
    }
    const code = byId("f-code").value;
    if (code) Rows.keep(mask, rows.codes, only(facts.codes.length, (at) => at === +code));
    const target = byId("f-target").value.trim().toLowerCase();
    if (target) {
      const wanted = only(facts.targets.length, (at) => this.targetTexts[at].includes(target));
      Rows.keep(mask, rows.targets, wanted);
    }
    return mask;
  }

  refresh() {
    const mask = this.mask();
    const view = new Uint32Array(mask.length);
    const order = this.order();
    let many = 0;
    for (let at = 0; at < mask.length; at++) {
      const row = order ? order[at] : at;
      if (mask[row]) view[many++] = row;
    }
    this.view = view.subarray(0, many);
    if (this.sort.down) this.view.reverse();
    const all = this.rows.length.toLocaleString("en");
    byId("count").textContent = `${many.toLocaleString("en")} of ${all} rows`;
    this.grid.setAttribute("aria-rowcount", String(many + 1));
    this.first = 0;
    this.resize();
  }

  clear(text = "") {
    for (const field of byId("filters").elements) field.value = "";
    byId("search").value = text;
    this.refresh();
  }

  order() {
    const column = this.sort.column;
    if (!column?.order) return null;
    if (!this.orders.has(column)) this.orders.set(column, column.order());
    return this.orders.get(column);
  }

  sortBy(column) {
    const same = this.sort.column === column || (this.sort.column === null && column.name === "line");
    this.sort = { column, down: same && !this.sort.down };
    this.columns.forEach((one, at) => {
      if (one === column) this.heads[at].setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
      else this.heads[at].removeAttribute("aria-sort");
    });
    this.refresh();
  }

  /* --- which of them are shown -------------------------------------------------- */

  resize() {
    const most = Math.max(8, Math.floor((0.7 * window.innerHeight) / ROW_PX) - 1);
    this.shown = Math.min(this.view.length, most);
    this.tall = Math.min(this.view.length * ROW_PX, Math.max(MOST_PX, this.shown * ROW_PX));
    byId("sizer").style.height = `${this.tall + ROW_PX}px`;
    const bar = this.scroller.offsetHeight - this.scroller.clientHeight;
    this.scroller.style.height = `${(this.shown + 1) * ROW_PX + bar}px`;
    this.show(this.first);
  }

  get last() {
    return Math.max(0, this.view.length - this.shown);
  }

  show(first) {
    this.first = Math.max(0, Math.min(first, this.last));
    const way = this.tall - this.shown * ROW_PX;
    this.scroller.scrollTop = this.last ? (this.first / this.last) * way : 0;
    this.put = this.scroller.scrollTop;
    this.draw(this.first, this.shown);
  }

  scrolled() {
    if (Math.abs(this.scroller.scrollTop - this.put) < 1) return; // we did it
    const way = this.tall - this.shown * ROW_PX;
    this.put = -1;
    this.first = way > 0 ? Math.round((this.scroller.scrollTop / way) * this.last) : 0;
    this.draw(this.first, this.shown);
  }

  draw(first, many) {
    while (this.slots.length < many) {
      const line = made("tr");
      line.id = `r${this.slots.length}`;
      for (const column of this.columns) {
        const cell = made("td", "", column.css === "verdict" ? "" : column.css || "");
        cell.append(made("span"));
        line.append(cell);
      }
      this.slots.push(line);
      this.body.append(line);
    }
    while (this.slots.length > many) this.slots.pop().remove();
    this.grid.removeAttribute("aria-activedescendant");
    this.slots.forEach((line, slot) => this.fill(line, first + slot));
  }

  print() {
    const many = Math.min(this.view.length, PRINTED);
    this.draw(0, many);
    tell(many < this.view.length ? `the first ${many.toLocaleString("en")} are printed` : "");
  }

  fill(line, place) {
    const row = this.view[place];
    line.setAttribute("aria-rowindex", String(place + 2));
    line.setAttribute("aria-selected", String(row === this.chosen));
    if (row === this.chosen) this.grid.setAttribute("aria-activedescendant", line.id);
    this.columns.forEach((column, at) => {
      const text = shown(column.text(row));
      const cell = line.cells[at];
      cell.firstChild.textContent = text;
      cell.title = text;
      if (column.css === "verdict") cell.firstChild.className = `mark c-${text.replaceAll("_", "-")}`;
    });
  }

  /* --- one row ------------------------------------------------------------------ */

  pressed(event) {
    const at = this.view.indexOf(this.chosen);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + this.shown, PageUp: at - this.shown,
      Home: 0, End: this.view.length - 1 };
    if (event.target !== this.grid || !(event.key in moves) || !this.view.length) return;
    event.preventDefault();
    const place = Math.max(0, Math.min(moves[event.key], this.view.length - 1));
    this.reveal(place);
  }

  reveal(place) {
    this.choose(this.view[place]);
    if (place < this.first) this.show(place);
    else if (place >= this.first + this.shown) this.show(place - this.shown + 1);
  }

  choose(row) {
    this.chosen = row;
    this.draw(this.first, this.shown);
    const { carried, file, ...facts } = this.rows.row(row);
    const advice = this.rows.facts.advice[facts.error_code];
    const list = byId("detail").querySelector("dl");
    list.replaceChildren();
    for (const [name, value] of Object.entries({ file, ...facts, ...(advice ? { advice } : {}), ...carried })) {
      if (value === "") continue;
      list.append(made("dt", name), made("dd", value, name.endsWith("_id") ? "mono" : ""));
    }
    byId("h-detail").textContent = `Row, line ${facts.line}`;
    byId("detail").hidden = false;
  }

  link() {
    const line = this.rows.lines[this.chosen];
    const is_first = this.rows.lines.indexOf(line) === this.chosen;
    return `${location.href.split("#")[0]}#row=${line}${is_first ? "" : `&at=${this.chosen}`}`;
  }

  /* Go to the row that the address names, if it does. */
  follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    if (!wanted.has("row") && !wanted.has("api")) return;
    this.clear(wanted.get("api") ?? "");
    let place = this.view.length ? 0 : -1;
    if (wanted.has("row")) {
      const row = wanted.has("at") ? +wanted.get("at") : this.rows.lines.indexOf(+wanted.get("row"));
      place = this.view.indexOf(row);
    }
    if (place < 0) {
      tell("there is no such row");
      return;
    }
    this.choose(this.view[place]);
    this.show(place - (this.shown >> 1));
    byId("rows").scrollIntoView();
    this.grid.focus({ preventScroll: true });
  }

  copyIds() {
    const ids = Array.from(this.view, (row) => this.rows.id(row));
    copy(ids.join("\n") + "\n", `${ids.length.toLocaleString("en")} ids copied`);
  }
}

function tell(text) {
  byId("told").textContent = text;
}

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = made("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (!copied) {
      tell("the browser does not allow copying");
      return;
    }
  }
  tell(told);
}

async function start() {
  const failed = byId("failed");
  if (failed) failed.open = false; // the table has these rows, too
  try {
    const rows = await Rows.read();
    byId("explorer").hidden = false;
    const explorer = new Explorer(rows);
    explorer.refresh();
    explorer.follow();
    window.report = explorer;
    performance.mark("shown");
  } catch (error) {
    byId("trouble").hidden = false;
    byId("trouble").textContent =
      `The rows cannot be shown (${error.message}); report.csv has them. A browser of 2023 or later is needed.`;
  }
}

start();
