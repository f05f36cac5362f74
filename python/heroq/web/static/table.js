// A table whose rows stay where they are while their cells change, so that focus and selection stay too.
import { h } from "./dom.js";

// columns: [{label, class, cell: (row) => text or node, wide: true (its own line on a narrow screen)}];
// key: (row) => text; select: true for boxes to tick.
export class Table {
  constructor(name, columns, key, { select = false, empty = "Nothing here." } = {}) {
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
    this.selected = new Set();
    this.onselect = () => {};
    this.select = select;
    const heads = columns.map((column) => h("th", { scope: "col", class: column.class, role: "columnheader" }, column.label));
    if (select) {
      this.all = h("input", { type: "checkbox", "aria-label": "Select all", onchange: () => this.selectAll(this.all.checked) });
      heads.unshift(h("th", { class: "box", role: "columnheader" }, this.all));
    }
    this.body = h("tbody", { role: "rowgroup" });
    this.empty = h("p", { class: "empty" }, empty);
    this.table = h(
      "table",
      { role: "table", "aria-label": name },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
      this.body,
    );
    this.element = h("div", { class: "table" }, this.table, this.empty);
    this.show([]);
  }

  show(rows) {
    const kept = new Map();
    for (const row of rows) {
      const key = this.key(row);
      if (kept.has(key)) continue;
      kept.set(key, this.rows.get(key) || this.#make(key));
    }
    for (const [key, one] of this.rows) {
      if (kept.has(key)) continue;
      one.element.remove();
      this.selected.delete(key);
    }
    this.rows = kept;
    let before = null;
    for (const row of rows) {
      const one = kept.get(this.key(row));
      this.#fill(one, row);
      const place = before ? before.nextSibling : this.body.firstChild;
      if (place !== one.element) this.body.insertBefore(one.element, place);
      before = one.element;
    }
    this.table.hidden = rows.length === 0;
    this.empty.hidden = rows.length > 0;
    this.#selection();
  }

  #make(key) {
    const cells = this.columns.map((column) =>
      h("td", { role: "cell", class: `${column.class || ""}${column.wide ? " wide" : ""}`, "data-label": column.label }),
    );
    const boxes = [];
    let box = null;
    if (this.select) {
      box = h("input", { type: "checkbox", "aria-label": `Select ${key}`, onchange: () => this.#pick(key, box.checked) });
      boxes.push(h("td", { role: "cell", class: "box" }, box));
    }
    return { element: h("tr", { role: "row", "data-key": key }, boxes, cells), cells, box, seen: [] };
  }

  #fill(one, row) {
    this.columns.forEach((column, i) => {
      const seen = JSON.stringify(column.seen ? column.seen(row) : row);
      if (one.seen[i] === seen) return;
      one.seen[i] = seen;
      const value = column.cell(row);
      const cell = one.cells[i];
      if (value instanceof Node) {
        const link = cell.querySelector("a");
        if (link && value.tagName === "A" && link.href === value.href && link.textContent === value.textContent) return;
        cell.replaceChildren(value);
      } else if (cell.textContent !== String(value)) cell.textContent = String(value);
      if (column.mark) cell.dataset.mark = column.mark(row) || "";
    });
  }

  #pick(key, on) {
    if (on) this.selected.add(key);
    else this.selected.delete(key);
    this.#selection();
  }

  selectAll(on) {
    for (const key of this.rows.keys()) {
      if (on) this.selected.add(key);
      else this.selected.delete(key);
    }
    this.#selection();
  }

  // x: the row that has the focus
  toggleFocused() {
    const row = document.activeElement?.closest("tr[data-key]");
    if (this.select && row && this.body.contains(row)) this.#pick(row.dataset.key, !this.selected.has(row.dataset.key));
  }

  #selection() {
    if (!this.select) return;
    for (const [key, one] of this.rows) one.box.checked = this.selected.has(key);
    this.all.checked = this.rows.size > 0 && this.selected.size === this.rows.size;
    this.all.indeterminate = this.selected.size > 0 && this.selected.size < this.rows.size;
    this.onselect(this.selected.size);
  }
}
