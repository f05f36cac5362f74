// Asking the server. Addresses are relative to the page, so it works below any path.

export class Failed extends Error {
  constructor(status, error) {
    super(error.text || `HTTP ${status}`);
    this.status = status;
    this.name = error.name || "http";
  }
}

export async function get(path, parameters = {}) {
  return answerOf(await ask(path + query(parameters), {}));
}

export async function post(path, body = {}, parameters = {}) {
  const headers = { "content-type": "application/json" };
  return answerOf(await ask(path + query(parameters), { method: "POST", headers, body: JSON.stringify(body) }));
}

async function ask(path, options) {
  try {
    return await fetch(`api/${path}`, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Failed(0, { text: "heroq web does not answer" });
  }
}

async function answerOf(response) {
  let found = null;
  try {
    found = await response.json();
  } catch {
    // no JSON: a proxy's page
  }
  if (!response.ok || found === null) throw new Failed(response.status, (found && found.error) || {});
  return found;
}

export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export function jobPath(id) {
  return `jobs/${encodeURIComponent(id).replace(/%2F/g, "/")}`;
}

export function jobLink(id) {
  return `#/job/${encodeURIComponent(id)}`;
}

export function queuePath(row) {
  return `queues/${encodeURIComponent(row.script_type)}`;
}

export function queueLink(row, tab = "") {
  return `#/queue/${encodeURIComponent(row.script_type)}${query({ group: row.group, instance: row.instance, tab })}`;
}

// A stream that comes back when it was lost, and rests while nobody sees the page. `handlers`: by the event's name;
// `lost` is called when it is interrupted.
export class Stream {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.source = null;
    this.timer = null;
    this.ended = false;
    this.seen = () => (document.hidden ? this.#rest() : this.#open());
    document.addEventListener("visibilitychange", this.seen);
    this.seen();
  }

  close() {
    this.ended = true;
    document.removeEventListener("visibilitychange", this.seen);
    this.#rest();
  }

  #open() {
    if (this.ended || this.source) return;
    const source = (this.source = new EventSource(`api/${this.path}`));
    for (const [name, handler] of Object.entries(this.handlers)) {
      if (name !== "lost") source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
    source.onerror = () => {
      if (this.source !== source) return;
      this.handlers.lost?.();
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      this.#rest();
      this.timer = setTimeout(() => !document.hidden && this.#open(), 2000);
    };
  }

  #rest() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
