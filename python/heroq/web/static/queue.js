// One queue: how it is, and its jobs by tab.
import { count, h, line, milliseconds, moment, setText, toast } from "./dom.js";
import { get, jobLink, post, queueLink, queuePath, Stream } from "./api.js";
import { actionBar } from "./actions.js";
import { chart } from "./charts.js";
import { counters, stateBadge } from "./overview.js";
import { dispatch } from "./dialogs.js";
import { Table } from "./table.js";

const TABS = [
  ["waiting", "Waiting"], ["in_flight", "In flight"], ["delayed", "Delayed"], ["dead", "Dead"],
  ["finished", "Finished"], ["failed", "Failed"], ["actors", "Actors"],
];
const COUNTERS = [
  ["waiting", "Waiting"], ["in_flight", "In flight"], ["delayed", "Delayed"], ["dead", "Dead"], ["actors", "Actors"],
  ["finished_per_minute", "Done/min"], ["failed_per_minute", "Failed/min"],
];
const TIME = { in_flight: "Lease ends", delayed: "Due", dead: "Buried", finished: "Finished", failed: "Failed" };

function jobColumns(tab, now) {
  const columns = [
    { label: "Job", class: "name id", wide: true, seen: (row) => row.id, cell: (row) => h("a", { href: jobLink(row.id) }, line(row.id)) },
  ];
  if (TIME[tab]) columns.push({ label: TIME[tab], seen: (row) => [row.time, Math.floor(now() / 1000)], cell: (row) => moment(row.time, now()) });
  if (tab === "in_flight") columns.push({ label: "Holder", class: "id", cell: (row) => line(row.holder || "–") });
  if (tab === "dead") columns.push({ label: "Reason", cell: (row) => line(row.reason || "–") });
  return columns;
}

function actorColumns(now) {
  const info = (row) => {
    try {
      return JSON.parse(row.info) || {};
    } catch {
      return {};
    }
  };
  const number = (value, show = String) => (typeof value === "number" ? show(value) : "–");
  return [
    { label: "Actor", class: "name id", wide: true, cell: (row) => line(info(row).actor_id || row.id) },
    { label: "Host", cell: (row) => line(info(row).host || "–") },
    { label: "Process", class: "number", cell: (row) => number(info(row).pid) },
    { label: "Since", seen: (row) => [row.info, Math.floor(now() / 1000)], cell: (row) => moment(Number(info(row).since) || 0, now()) },
    { label: "Runs", class: "number", cell: (row) => number(info(row).running) },
    { label: "Finished", class: "number", cell: (row) => number(info(row).finished, count) },
    { label: "Failed", class: "number", cell: (row) => number(info(row).failed, count) },
    { label: "Takes/s", class: "number", cell: (row) => number(info(row).takes_per_second, (value) => value.toFixed(1).replace(/\.0$/, "")) },
    { label: "Memory", class: "number", cell: (row) => number(info(row).rss, (value) => `${Math.round(value / 1048576)} MiB`) },
  ];
}

function times(title) {
  let rows = [];
  const bound = (row) => (row.to > 0 && row.to < 1e15 ? milliseconds(row.to) : "more");
  const figure = chart(title, [{ label: "", colour: "wait", bars: true }], {
    time: false, unit: count, ticks: (i) => (Number.isInteger(i) && rows[i] ? bound(rows[i]) : null),
  });
  return {
    figure,
    show: (found) => {
      rows = found.rows;
      figure.show([rows.map((_, i) => i), rows.map((row) => row.count)],
        `half within ${milliseconds(found.p50)}, 95 percent within ${milliseconds(found.p95)}, 99 percent within ${milliseconds(found.p99)}`);
      figure.querySelector(".key").textContent = found.count ? `p50 ${milliseconds(found.p50)}, p95 ${milliseconds(found.p95)}, p99 ${milliseconds(found.p99)}` : "nothing yet";
    },
  };
}

export function queue(page, type, parameters) {
  const row = { script_type: type, group: parameters.get("group") || "", instance: parameters.get("instance") || "" };
  const where = { group: row.group, instance: row.instance };
  let tab = TABS.some(([name]) => name === parameters.get("tab")) ? parameters.get("tab") : "waiting";
  let now = Date.now();
  let paused = false;
  let first = null;
  let rest = [];
  let cursor = "0";
  let busy = false;
  let table = null;

  const strip = counters(COUNTERS);
  const state = h("span");
  const ended = chart("Ended a minute, last hour", [
    { label: "finished", colour: "good", bars: true }, { label: "failed", colour: "bad", bars: true },
  ], { unit: count });
  const waits = times("Waits, last hour");
  const runs = times("Runs, last hour");
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const panel = h("div", { id: "panel", role: "tabpanel", tabindex: "-1", "aria-labelledby": "" });
  const more = h("button", { type: "button", hidden: true, onclick: () => loadMore() }, "More");
  const pause = h("button", { type: "button", "aria-keyshortcuts": "p", hidden: true, onclick: () => togglePause() }, "Pause");
  const start = h("button", { type: "button", hidden: true, onclick: () => dispatch(type) }, "New job here");
  const picked = h("span", { class: "picked", role: "status" });
  const bar = actionBar(() => [...table.selected], () => { table.selectAll(false); rest = []; load(true); });
  const acts = h("div", { class: "actions", hidden: true }, bar.buttons, picked);

  const tabs = new Map(TABS.map(([name, label]) => {
    const number = h("b");
    const button = h("button", { role: "tab", type: "button", id: `tab-${name}`, "aria-controls": "panel", onclick: () => choose(name) }, label, number);
    return [name, { button, number }];
  }));
  const list = h("div", { role: "tablist", class: "tabs", "aria-label": "Jobs of this queue", onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { event.preventDefault(); event.stopPropagation(); move(step); tabs.get(tab).button.focus(); }
  } }, [...tabs.values()].map((one) => one.button));

  function choose(name) {
    tab = name;
    rest = [];
    history.replaceState(null, "", queueLink(row, tab));
    for (const [other, { button }] of tabs) {
      button.setAttribute("aria-selected", String(other === name));
      button.tabIndex = other === name ? 0 : -1;
    }
    tabs.get(name).button.scrollIntoView({ block: "nearest", inline: "nearest" });
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    const actors = tab === "actors";
    table = new Table(TABS.find(([one]) => one === tab)[1], actors ? actorColumns(() => now) : jobColumns(tab, () => now), (entry) => entry.id, {
      select: page.mayAct && !actors, empty: actors ? "No actor listens." : "No job here.",
    });
    table.onselect = (size) => setText(picked, size ? `${size} selected` : "");
    panel.replaceChildren(table.element);
    acts.hidden = !page.mayAct || actors;
    more.hidden = true;
    load(true);
  }

  function move(step) {
    const names = TABS.map(([name]) => name);
    choose(names[(names.indexOf(tab) + step + names.length) % names.length]);
  }

  async function load(again = false) {
    if (busy && !again) return;
    busy = true;
    const asked = tab;
    try {
      const [found, entries] = await Promise.all([get(queuePath(row), where), get(`${queuePath(row)}/${asked}`, where)]);
      if (asked !== tab) return;
      trouble.hidden = true;
      now = found.stats.now;
      first = entries;
      if (!rest.length) cursor = entries.cursor;
      showStats(found);
      table.show([...first.rows, ...rest]);
      more.hidden = cursor === "0";
    } catch (error) {
      trouble.hidden = false;
      setText(trouble, line(error.message));
      if (error.status === 401) page.session();
    } finally {
      busy = false;
    }
  }

  async function loadMore() {
    if (cursor === "0") return;
    try {
      const found = await get(`${queuePath(row)}/${tab}`, { ...where, cursor });
      rest.push(...found.rows);
      cursor = found.cursor;
      table.show([...first.rows, ...rest]);
      more.hidden = cursor === "0";
    } catch (error) {
      toast(error.message, true);
    }
  }

  function showStats({ stats, counters: found }) {
    paused = !!stats.paused;
    strip.show(stats);
    for (const [name, { number }] of tabs) setText(number, name in stats ? count(stats[name]) : "");
    setText(pause, paused ? "Resume" : "Pause");
    const known = new Map(found.rows.map((one) => [one.time / 60000, one]));
    const minutes = Array.from({ length: 60 }, (_, i) => Math.floor(found.now / 60000) - 59 + i);
    const finished = minutes.map((minute) => known.get(minute)?.finished || 0);
    const failed = minutes.map((minute) => known.get(minute)?.failed || 0);
    ended.show([minutes.map((minute) => minute * 60), finished.map((value, i) => value + failed[i]), failed],
      `${found.finished} finished, ${found.failed} failed, ${found.retried} tried again, ${found.lost} lost`);
    waits.show(found.wait);
    runs.show(found.run);
  }

  async function togglePause() {
    try {
      await post(`${queuePath(row)}/${paused ? "resume" : "pause"}`, {}, where);
      toast(paused ? "Resumed" : "Paused: what runs goes on, nothing more is taken");
      load(true);
    } catch (error) {
      toast(error.message, true);
    }
  }

  const name = [row.instance && `instance ${row.instance} of`, row.group && `group ${row.group} of`, type].filter(Boolean).join(" ");
  page.show(name, h("p", { class: "path" }, h("a", { href: "#/" }, "All queues")),
    h("div", { class: "title" }, h("h1", {}, line(name)), state, h("span", { class: "gap" }), pause, start),
    trouble, strip.element, h("div", { class: "charts three" }, ended, waits.figure, runs.figure),
    list, acts, panel, h("div", { class: "buttons" }, more));
  const allowed = () => {
    pause.hidden = start.hidden = !page.mayAct;
    choose(tab);
  };
  allowed();

  const stream = new Stream("events", {
    board: (view) => {
      page.live("ok");
      const one = view.queues.find((other) => other.script_type === type && (other.group || "") === row.group && (other.instance || "") === row.instance);
      if (one && state.dataset.state !== one.state) {
        state.dataset.state = one.state;
        state.replaceChildren(stateBadge(one.state));
      }
      load();
    },
    trouble: (found) => page.live("lost", found.text),
    lost: () => page.live("lost", "connection lost, trying again"),
  });
  return {
    close: () => stream.close(),
    allowed,
    onkey: (key) => {
      if (key === "ArrowRight") move(1);
      else if (key === "ArrowLeft") move(-1);
      else if (key === "l") loadMore();
      else if (!page.mayAct) return false;
      else if (key === "p") togglePause();
      else if (key === "x") table.toggleFocused();
      else if (key === "A") table.selectAll(table.selected.size < table.rows.size);
      else return !acts.hidden && bar.onkey(key);
      return true;
    },
  };
}
