// The first screen: counters, what is wrong, charts, a row a queue.
import { count, h, line, milliseconds, rate, setText, span } from "./dom.js";
import { queueLink, Stream } from "./api.js";
import { chart, sparkline } from "./charts.js";
import { Table } from "./table.js";

const COUNTERS = [
  ["waiting", "Waiting"], ["in_flight", "In flight"], ["delayed", "Delayed"], ["dead", "Dead"], ["actors", "Actors"],
  ["finished_per_minute", "Done/min"], ["failed_per_minute", "Failed/min"],
];
const HISTORY = 450;

export function counters(names) {
  const cells = new Map(names.map(([name]) => [name, h("dd", {}, "–")]));
  const element = h("dl", { class: "counters", "aria-label": "Counters" },
    names.map(([name, label]) => h("div", { class: name }, h("dt", {}, label), cells.get(name))));
  const show = (values) => {
    for (const [name, cell] of cells) {
      setText(cell, name.endsWith("per_minute") ? rate(values[name]) : count(values[name]));
      cell.parentNode.classList.toggle("some", values[name] > 0);
    }
  };
  return { element, show };
}

export function stateBadge(state) {
  return h("span", { class: "state", "data-state": state }, state);
}

function columns() {
  return [
    { label: "Queue", class: "name", wide: true, seen: (row) => [row.queue, row.name],
      cell: (row) => h("a", { href: queueLink(row) }, line(row.name)) },
    { label: "State", seen: (row) => row.state, cell: (row) => stateBadge(row.state) },
    { label: "Waiting", class: "number", cell: (row) => count(row.waiting) },
    { label: "Oldest", class: "number", cell: (row) => span(row.oldest) },
    { label: "In flight", class: "number", cell: (row) => count(row.in_flight) },
    { label: "Delayed", class: "number less", cell: (row) => count(row.delayed) },
    { label: "Dead", class: "number", cell: (row) => count(row.dead), mark: (row) => row.dead > 0 && "bad" },
    { label: "Actors", class: "number", cell: (row) => count(row.actors) },
    { label: "Done/min", class: "number", cell: (row) => rate(row.finished_per_minute) },
    { label: "Errors", class: "number", mark: (row) => row.error_percent > 0 && "bad",
      cell: (row) => (row.error_percent === null ? "–" : `${row.error_percent < 10 ? row.error_percent.toFixed(1).replace(/\.0$/, "") : Math.round(row.error_percent)} %`) },
    { label: "Wait p95", class: "number less", cell: (row) => milliseconds(row.wait_p95) },
    { label: "Run p95", class: "number", cell: (row) => milliseconds(row.run_p95) },
    { label: "15 min", class: "trend", seen: (row) => [row.finished, row.failed], cell: (row) => sparkline(row.finished, row.failed) },
  ];
}

export function overview(page) {
  const strip = counters(COUNTERS);
  const alerts = h("ul", { class: "alerts", role: "alert", hidden: true });
  const ended = chart("Ended a minute", [
    { label: "finished", colour: "good", bars: true }, { label: "failed", colour: "bad", bars: true },
  ], { unit: count });
  const waits = chart("Waits", [
    { label: "longest now", colour: "wait" }, { label: "95 % took", colour: "slow" },
  ], { unit: span });
  const table = new Table("Queues", columns(), (row) => row.queue, {
    empty: "No queue yet. A job that is submitted, or an actor that listens, makes one.",
  });
  const note = h("p", { class: "note", hidden: true }, "There are too many keys to look at all of them: queues that only foreign programs use may be missing.");
  let samples = [];

  const showWaits = () => {
    const last = samples[samples.length - 1];
    waits.show([samples.map((one) => one.now), samples.map((one) => one.oldest), samples.map((one) => one.wait_p95)],
      `the longest ${span(last.oldest)}, 95 percent ${span(last.wait_p95)}`);
  };
  const showEnded = (view) => {
    const sum = (name) => view.queues.reduce((all, row) => row[name].map((value, i) => value + (all[i] || 0)), Array(15).fill(0));
    const finished = sum("finished");
    const failed = sum("failed");
    const minute = Math.floor(view.now / 60);
    const times = finished.map((_, i) => (minute - finished.length + 1 + i) * 60);
    // failed lies in front of both together, so that the bars stack
    ended.show([times, finished.map((value, i) => value + failed[i]), failed],
      `in ${finished.length} minutes ${finished.reduce((a, b) => a + b, 0)} finished, ${failed.reduce((a, b) => a + b, 0)} failed`);
  };
  const show = (view) => {
    page.live("ok");
    strip.show(view.totals);
    const known = new Map(view.queues.map((row) => [row.queue, row]));
    const texts = JSON.stringify(view.alerts);
    if (alerts.dataset.texts !== texts) {
      alerts.dataset.texts = texts;
      alerts.hidden = view.alerts.length === 0;
      alerts.replaceChildren(...view.alerts.map((one) => {
        const row = known.get(one.subject);
        return h("li", { "data-severity": one.severity }, row ? h("a", { href: queueLink(row) }, line(one.text)) : line(one.text));
      }));
    }
    table.show(view.queues);
    note.hidden = view.whole;
    showEnded(view);
    if (!samples.length || view.now > samples[samples.length - 1].now) {
      const most = (name) => view.queues.reduce((all, row) => Math.max(all, row[name] || 0), 0);
      samples = [...samples.slice(1 - HISTORY), { now: view.now, oldest: most("oldest"), wait_p95: most("wait_p95") / 1000 }];
    }
    showWaits();
  };

  page.show("heroq", h("h1", { class: "hidden" }, "All queues"), alerts, strip.element,
    h("div", { class: "charts" }, ended, waits), h("h2", { class: "hidden" }, "Queues"), table.element, note);
  const stream = new Stream("events", {
    history: (found) => (samples = found),
    board: show,
    trouble: (found) => page.live("lost", found.text),
    lost: () => page.live("lost", "connection lost, trying again"),
  });
  return { close: () => stream.close() };
}
