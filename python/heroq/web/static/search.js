// Jobs that fit: by id, a part or the beginning of it, tag, caller, status, type.
import { bytes, h, line, moment, setText, toast } from "./dom.js";
import { get, jobLink, jobPath, query } from "./api.js";
import { actionBar } from "./actions.js";
import { Table } from "./table.js";

const BY = [["text", "Id contains"], ["id_prefix", "Id begins with"], ["tag", "Tag"], ["caller", "Caller"]];
const STATUS = ["", "waiting_for_prerequisites", "dispatched", "started", "stopping", "finished", "error"];
const SHORT = { tag: "tag", caller: "caller", prefix: "id_prefix", id: "text", type: "type", status: "status" };

// "tag:red status:error 01a2" as the filters of the search.
export function filtersOf(text) {
  const filters = {};
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const [, name, value] = /^([a-z]+):(.+)$/.exec(word) || [];
    if (name in SHORT) filters[SHORT[name]] = value;
    else filters.text = word;
  }
  return filters;
}

export function search(page, parameters) {
  const given = Object.fromEntries(parameters);
  const by = BY.map(([name]) => name).find((name) => given[name]) || "text";
  const now = Date.now();
  let cursor = "0";
  let rows = [];
  let closed = false;

  const input = h("input", { type: "search", value: given[by] || "", "aria-label": "What to look for", autocomplete: "off", spellcheck: "false" });
  const kind = h("select", { "aria-label": "Where to look" }, BY.map(([name, label]) => h("option", { value: name, selected: name === by }, label)));
  const status = h("select", { "aria-label": "Status" }, STATUS.map((name) => h("option", { value: name, selected: name === (given.status || "") }, name || "any status")));
  const type = h("input", { placeholder: "any type", value: given.type || "", "aria-label": "Script type", autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "filters", role: "search" }, kind, input, status, type, h("button", { type: "submit", class: "main" }, "Search"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#/jobs${query({ [kind.value]: input.value.trim(), status: status.value, type: type.value.trim() })}`;
  });
  const said = h("p", { class: "note", role: "status" }, "searching …");
  const table = new Table("Jobs", [
    { label: "Job", class: "name id", wide: true, seen: (row) => row.id, cell: (row) => h("a", { href: jobLink(row.id) }, line(row.id)) },
    { label: "Status", cell: (row) => h("span", { class: "state", "data-state": row.status }, line(row.status)) },
    { label: "Type", cell: (row) => line(row.script_type) },
    { label: "Created", cell: (row) => moment(row.created > 0 ? row.created : 0, now) },
    { label: "Size", class: "number", cell: (row) => bytes(row.size) },
    { label: "Caller", class: "less", cell: (row) => line(row.caller || "–") },
    { label: "Tags", class: "less", cell: (row) => line((row.tags || []).join(", ") || "–") },
  ], (row) => row.id, { select: page.mayAct, empty: "No job fits." });
  const more = h("button", { type: "button", hidden: true, onclick: () => load() }, "More");
  const picked = h("span", { class: "picked", role: "status" });
  table.onselect = (size) => setText(picked, size ? `${size} selected` : "");
  const bar = actionBar(() => [...table.selected], () => {
    table.selectAll(false);
    rows = [];
    cursor = "";
    load();
  });
  const acts = h("div", { class: "actions", hidden: !page.mayAct }, bar.buttons, picked);

  async function load() {
    try {
      const found = await get("jobs", { ...given, cursor: cursor === "0" ? "" : cursor });
      if (closed) return;
      page.live("ok");
      rows.push(...found.rows);
      cursor = found.cursor;
      table.show(rows);
      more.hidden = cursor === "0";
      const kept = table.rows.size;
      setText(said, `${kept} ${kept === 1 ? "job" : "jobs"}${cursor === "0" ? "" : " so far"}${found.whole || cursor !== "0" ? "" : "; some that fit may be missing"}`);
      // A page of a search may be empty while there is more to look at.
      if (!found.rows.length && cursor !== "0" && rows.length < 1) load();
    } catch (error) {
      if (closed) return;
      setText(said, line(error.message));
      if (error.status === 401) page.session();
      toast(error.message, true);
    }
  }

  // An id that is typed whole is opened at once.
  async function exact() {
    if (!given.text || Object.keys(given).length > 1) return load();
    try {
      await get(jobPath(given.text));
      if (!closed) location.replace(jobLink(given.text));
    } catch {
      if (!closed) load();
    }
  }

  page.show("Search", h("p", { class: "path" }, h("a", { href: "#/" }, "All queues")), h("h1", {}, "Jobs"), form, said, acts, table.element, h("div", { class: "buttons" }, more));
  exact();
  return {
    close: () => (closed = true),
    onkey: (key) => {
      if (key === "l" && !more.hidden) load();
      else if (!page.mayAct) return false;
      else if (key === "x") table.toggleFocused();
      else if (key === "A") table.selectAll(table.selected.size < table.rows.size);
      else return bar.onkey(key);
      return true;
    },
  };
}
