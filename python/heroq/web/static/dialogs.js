// What asks before something is done: confirm, log in, dispatch, the list of keys.
import { h, line, toast } from "./dom.js";
import { get, jobLink, post } from "./api.js";

function open(title, body, buttons, onsubmit) {
  const trouble = h("p", { class: "trouble", role: "alert" });
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, buttons ? "Cancel" : "Close");
  const form = h("form", { novalidate: true }, h("h2", { id: "dialog-title" }, title), body, trouble,
    h("div", { class: "buttons" }, cancel, buttons));
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.textContent = "";
    try {
      await onsubmit();
      dialog.close();
    } catch (error) {
      trouble.textContent = line(error.message);
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function field(label, input, note) {
  return h("label", {}, h("span", {}, label), input, note ? h("small", {}, note) : null);
}

// Asks, and does it; `things`: what it is done to, named.
export function confirm(title, text, verb, act, things = []) {
  const list = things.length ? h("ul", { class: "things" }, things.slice(0, 10).map((one) => h("li", {}, line(one)))) : null;
  const more = things.length > 10 ? h("p", {}, `and ${things.length - 10} more`) : null;
  open(title, [h("p", {}, text), list, more], h("button", { type: "submit", class: "danger" }, verb), act);
}

export function login(done) {
  const input = h("input", { type: "password", autocomplete: "current-password", required: true });
  open("Unlock", [field("Token", input, "That of heroq web: its --token-file or HEROQ_WEB_TOKEN.")],
    h("button", { type: "submit", class: "main" }, "Unlock"), async () => {
      await post("login", { token: input.value });
      done();
    });
  input.focus();
}

export async function dispatch(script_type = "") {
  let types = [];
  try {
    types = [...new Set((await get("board")).queues.map((row) => row.script_type))];
  } catch {
    // the names are only a help
  }
  const text = (properties) => h("input", { autocomplete: "off", spellcheck: "false", ...properties });
  const number = (properties) => text({ type: "number", min: "0", inputmode: "numeric", ...properties });
  const inputs = {
    script_type: text({ list: "types", required: true, value: script_type }),
    script: h("textarea", { rows: "8", spellcheck: "false", required: true }),
    id: text({ placeholder: "made" }),
    group: text({}),
    instance: text({}),
    timeout: number({ placeholder: "none" }),
    retries: number({ placeholder: "0" }),
    delay: number({ placeholder: "0" }),
    tags: text({ placeholder: "red,blue" }),
  };
  const urgent = h("input", { type: "checkbox" });
  const body = [
    h("datalist", { id: "types" }, types.map((type) => h("option", { value: type }))),
    field("Script type", inputs.script_type, "Which kind of actor runs it."),
    field("Script", inputs.script),
    h("details", {}, h("summary", {}, "Options"), h("div", { class: "grid" },
      field("Id", inputs.id), field("Tags", inputs.tags), field("Group", inputs.group), field("Instance", inputs.instance),
      field("Timeout, s", inputs.timeout), field("Retries", inputs.retries), field("Delay, s", inputs.delay),
      h("label", { class: "check" }, urgent, h("span", {}, "Before all others")))),
  ];
  open("New job", body, h("button", { type: "submit", class: "main" }, "Start"), async () => {
    const given = { script_type: inputs.script_type.value.trim(), script: inputs.script.value };
    for (const name of ["id", "group", "instance"]) if (inputs[name].value.trim()) given[name] = inputs[name].value.trim();
    for (const name of ["timeout", "retries", "delay"]) if (inputs[name].value) given[name] = Number(inputs[name].value);
    const tags = inputs.tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    if (tags.length) given.tags = tags;
    if (urgent.checked) given.urgent = true;
    const made = await post("jobs", given);
    toast(`Job ${made.id} is started`);
    location.hash = jobLink(made.id);
  });
  (script_type ? inputs.script : inputs.script_type).focus();
}

const KEYS = [
  ["/", "search"], ["j k", "next, last row"], ["Enter", "open it"], ["← →", "tabs"], ["l", "more rows"],
  ["x", "select the row"], ["A", "select all"], ["S E R D", "stop, run now, requeue, delete what is selected, or the job shown"],
  ["p", "pause or resume the queue"], ["n", "new job"], ["o", "all queues"], ["?", "these keys"], ["Esc", "close"],
];

export function help() {
  open("Keys", h("dl", { class: "keys" }, KEYS.map(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)])), null, () => {});
}
