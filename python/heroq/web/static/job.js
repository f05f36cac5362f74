// One job, live while it runs.
import { bytes, clock, h, line, setText, span, visible } from "./dom.js";
import { jobPath, Stream } from "./api.js";
import { actionBar } from "./actions.js";

const LINES = 1000;

function part(id, name, label) {
  const text = h("pre", { tabindex: "0", "aria-label": label });
  const size = h("small");
  const link = h("a", { href: `api/${jobPath(id)}/${name}`, download: `${id.replace(/[^\w.-]/g, "_")}-${name}`, class: "button" }, "Download");
  const element = h("section", { class: `part ${name}`, hidden: true }, h("div", { class: "bar" }, h("h2", {}, label), size, h("span", { class: "gap" }), link), text);
  return {
    element,
    show: (blob) => {
      element.hidden = !blob;
      if (!blob) return;
      setText(text, visible(blob.text));
      setText(size, [bytes(blob.size), blob.binary && "not text", blob.cut && "the first part is shown"].filter(Boolean).join(", "));
    },
  };
}

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .map(([name, value]) => [h("dt", {}, line(name)), h("dd", {}, value instanceof Node ? value : visible(value))]));
}

function section(title, content) {
  return h("section", { class: "part" }, h("h2", {}, title), content);
}

export function job(page, id) {
  const status = h("span", { class: "state" });
  const gone = h("p", { class: "trouble", role: "alert", hidden: true });
  const meter = h("progress", { max: "100", value: "0", "aria-label": "Progress" });
  const said = h("span");
  const progress = h("div", { class: "progress", hidden: true }, meter, said);
  const output = part(id, "output", "Output");
  const error = part(id, "error", "Error");
  const script = part(id, "script", "Script");
  const lines = h("pre", { role: "log", tabindex: "0", "aria-label": "Log" });
  const log = h("section", { class: "part log", hidden: true }, h("div", { class: "bar" }, h("h2", {}, "Log"), h("small", {}, "live"), h("span", { class: "gap" }),
    h("a", { href: `api/${jobPath(id)}/log`, download: "", class: "button" }, "Download")), lines);
  const side = h("div", { class: "side" });
  const queueLine = h("span", { class: "where" });
  let next = 0;
  let stream = null;

  const bar = actionBar(() => [id], () => open());
  const acts = h("div", { class: "actions", hidden: true }, bar.buttons);

  function show(found) {
    page.live("ok");
    gone.hidden = true;
    // A deleted job leaves a trace for a while, since a copy of its id may still be queued.
    const deleted = found.status === "error" && found.error?.text === "deleted" && found.script.size === 0;
    setText(status, deleted ? "deleted" : found.status || "new");
    status.dataset.state = found.status;
    queueLine.replaceChildren(h("a", { href: `#/queue/${encodeURIComponent(found.script_type)}` }, line(found.script_type)));
    script.show(found.script);
    output.show(found.output);
    error.show(found.error);
    const attempts = found.attempts;
    const timeline = h("ol", { class: "timeline" }, found.timeline.map((one) =>
      h("li", { class: one.what }, h("b", {}, one.what), h("time", { datetime: new Date(one.at).toISOString() }, clock(one.at)))));
    const first = found.timeline.find((one) => one.what === "created");
    const last = found.ended && found.timeline.find((one) => one.what === found.status);
    side.replaceChildren(
      section("Timeline", found.timeline.length ? timeline : h("p", { class: "empty" }, "The hash has no times.")),
      section("Attempts", facts([
        ["Started", String(attempts.started)], ["Failed", attempts.failed ? String(attempts.failed) : ""],
        ["Retries", found.retries === null ? "as the actor decides" : String(found.retries)],
        ["Timeout", found.timeout ? span(found.timeout) : "none"],
        ["From creation to end", first && last ? span((last.at - first.at) / 1000) : ""],
        ["Last error", attempts.last_error ? h("pre", {}, visible(attempts.last_error.text)) : ""],
      ])),
      ...[
        ["About", { Caller: found.caller, Queue: found.queue, Tags: found.tags.join(", "), Prerequisites: found.prerequisites.join(", "), Dependents: found.dependents.join(", ") }],
        ["Headers", found.headers], ["Environment", found.env], ["Other fields", found.fields],
      ].map(([title, values]) => (Object.values(values).some(Boolean) ? section(title, facts(Object.entries(values))) : null)).filter(Boolean),
    );
  }

  function showProgress(found) {
    progress.hidden = !found;
    if (!found) return;
    meter.value = found.percent;
    setText(said, `${Math.round(found.percent)} %${found.text ? ` ${line(found.text)}` : ""}${found.attempt > 1 ? `, attempt ${found.attempt}` : ""}`);
  }

  function showLog(found) {
    if (found.first < next) {
      next = 0;
      lines.replaceChildren();
    }
    if (!found.rows.length) return;
    const follows = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8;
    log.hidden = false;
    lines.append(...found.rows.map((text) => h("span", {}, `${visible(text)}\n`)));
    while (lines.childElementCount > LINES) lines.firstChild.remove();
    next = found.next;
    if (follows) lines.scrollTop = lines.scrollHeight;
  }

  function open() {
    stream?.close();
    stream = new Stream(`${jobPath(id)}/events`, {
      job: show,
      progress: showProgress,
      log: showLog,
      end: () => stream.close(),
      gone: (found) => {
        stream.close();
        page.live("ok");
        gone.hidden = false;
        setText(gone, line(found.text));
        status.dataset.state = "";
        setText(status, "gone");
      },
      trouble: (found) => page.live("lost", found.text),
      lost: () => page.live("lost", "connection lost, trying again"),
    });
  }

  page.show(id, h("p", { class: "path" }, h("a", { href: "#/" }, "All queues"), " / ", queueLine),
    h("div", { class: "title" }, h("h1", { class: "id" }, line(id)), status, h("span", { class: "gap" }), acts),
    gone, progress, h("div", { class: "job" }, h("div", {}, error.element, output.element, log, script.element), side));
  const allowed = () => (acts.hidden = !page.mayAct);
  allowed();
  open();
  return { close: () => stream.close(), allowed, onkey: (key) => page.mayAct && bar.onkey(key) };
}
