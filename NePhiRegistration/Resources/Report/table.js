// The table: any number of cases, of which only the rows in view exist.

const SPARE_ROWS = 12;
const NARROW = 640;

const caseAddress = (each) => `#case=${encodeURIComponent(each.name)}`;

class CaseTable {
  constructor(table, onSort) {
    this.table = table;
    this.body = table.tBodies[0];
    this.onSort = onSort;
    this.rows = [];
    this.active = 0;
    this.chosen = null;
    this.drawnRange = "";
    addEventListener("scroll", () => requestAnimationFrame(() => this.draw()), { passive: true });
    addEventListener("resize", () => this.resized());
    table.addEventListener("keydown", (event) => this.keyPressed(event));
    table.addEventListener("click", (event) => this.clicked(event));
  }

  // key, descending: what it is sorted by.
  show(rows, key, descending) {
    this.rows = rows;
    Object.assign(this, { key, descending });
    this.active = Math.max(0, Math.min(this.active, rows.length - 1));
    this.table.setAttribute("aria-rowcount", rows.length + 1);
    this.redraw();
  }

  resized() {
    if (this.width !== document.documentElement.clientWidth) this.redraw();
    else this.draw();
  }

  redraw() {
    this.width = document.documentElement.clientWidth;
    this.isNarrow = this.width < NARROW;
    this.table.classList.toggle("narrow", this.isNarrow);
    this.rowHeight = this.isNarrow ? 58 : 38;
    this.columns = this.visibleColumns();
    this.table.tHead.replaceChildren(this.heading());
    this.drawnRange = "";
    this.draw();
  }

  // The columns that somebody chose, or as many of the key ones as fit.
  visibleColumns() {
    if (this.chosen) return columns.filter((column) => this.chosen.has(column.name));
    const room = this.isNarrow ? (this.width - 190) / 66 : (this.width - 490) / 82;
    return columns.filter((column) => column.is_key).slice(0, Math.max(2, Math.floor(room)));
  }

  heading() {
    const cells = [this.headingCell("name", "Case")];
    if (!this.isNarrow) cells.push(this.headingCell("place", "What to look at"));
    for (const column of this.columns) cells.push(this.headingCell(column.index, column.title, column));
    return element("tr", { "aria-rowindex": 1 }, cells);
  }

  headingCell(key, title, column = null) {
    const isSorted = this.key === key;
    const sort = isSorted ? (this.descending ? "descending" : "ascending") : null;
    const arrow = element("span", { class: "arrow", "aria-hidden": "true" }, isSorted ? (this.descending ? "▼" : "▲") : "");
    const unit = column && column.unit ? element("small", {}, ` ${column.unit}`) : null;
    const press = button([title, unit, arrow], () => this.onSort(key), { title: column && column.note, "data-sort": key });
    return element("th", { scope: "col", "aria-sort": sort, class: column ? "figure" : `of-${key}` }, press);
  }

  draw() {
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / this.rowHeight) - SPARE_ROWS);
    const count = Math.ceil(innerHeight / this.rowHeight) + 2 * SPARE_ROWS;
    const last = Math.min(this.rows.length, first + count);
    const range = `${first}-${last}-${this.active}`;
    if (range === this.drawnRange) return;
    const hadFocus = this.table.contains(document.activeElement) && !this.table.tHead.contains(document.activeElement);
    this.drawnRange = range;
    const rows = [];
    for (let index = first; index < last; index += 1) rows.push(this.row(index));
    this.body.replaceChildren(this.space(first), ...rows, this.space(this.rows.length - last));
    if (hadFocus) (this.link(this.active) || this.table).focus({ preventScroll: true });
  }

  space(count) {
    const cell = element("td", { colspan: this.columns.length + (this.isNarrow ? 1 : 2) });
    cell.style.height = `${count * this.rowHeight}px`;
    return element("tr", { class: "space", "aria-hidden": "true" }, cell);
  }

  row(index) {
    const each = this.rows[index];
    const words = remarksOf(each).join(" · ");
    const badge = element("span", { class: `dot ${each.group}`, title: stateOf(each) });
    const link = element("a", { href: caseAddress(each), tabindex: index === this.active ? 0 : -1 }, each.name);
    const state = element("span", { class: "hidden" }, ` ${stateOf(each)}`);
    const below = this.isNarrow ? element("small", {}, words || each.status) : null;
    const cells = [element("th", { scope: "row" }, badge, link, state, below)];
    if (!this.isNarrow) cells.push(element("td", { class: "remarks", title: words }, this.remarks(each)));
    for (const column of this.columns) cells.push(this.figureCell(each, column));
    return element("tr", { "aria-rowindex": index + 2, "data-index": index, class: each.group }, cells);
  }

  remarks(each) {
    if (each.group === "failed") return [element("b", {}, each.status), each.reason ? ` ${each.reason}` : ""];
    return remarksOf(each).join(" · ");
  }

  figureCell(each, column) {
    const value = each.figures[column.index];
    const note = value === null ? "not measured" : isOut(each, column) ? "outlier" : null;
    return element("td", { class: `figure${note === "outlier" ? " out" : ""}`, title: note }, numberText(column, value));
  }

  link(index) {
    return this.body.querySelector(`tr[data-index="${index}"] a`);
  }

  // Make a row the one that keys act on, in view.
  activate(index, isFocused = true) {
    this.active = Math.max(0, Math.min(index, this.rows.length - 1));
    const top = this.body.getBoundingClientRect().top + this.active * this.rowHeight;
    const head = this.table.tHead.offsetHeight;
    if (top < head) scrollBy({ top: top - head, behavior: "instant" });
    else if (top + this.rowHeight > innerHeight) scrollBy({ top: top + this.rowHeight - innerHeight + 8, behavior: "instant" });
    this.draw();
    const link = this.link(this.active);
    if (isFocused && link) link.focus({ preventScroll: true });
  }

  keyPressed(event) {
    if (this.table.tHead.contains(event.target) || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(innerHeight / this.rowHeight) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.rows.length, End: this.rows.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.activate(this.active + steps[event.key]);
  }

  clicked(event) {
    const row = event.target.closest("tr[data-index]");
    if (!row || event.target.closest("a") || String(getSelection())) return;
    location.hash = caseAddress(this.rows[Number(row.dataset.index)]);
  }
}
