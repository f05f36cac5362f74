// The frame: which view the address asks for, the session, the keys.
import { h, line, setText, toast } from "./dom.js";
import { get, post, query } from "./api.js";
import { dispatch, help, login } from "./dialogs.js";
import { overview } from "./overview.js";
import { queue } from "./queue.js";
import { job } from "./job.js";
import { filtersOf, search } from "./search.js";

const main = document.getElementById("main");
const live = document.getElementById("live");
const access = document.getElementById("access");
const newJob = document.getElementById("dispatch");
const searchText = document.getElementById("search-text");
let view = null;

const page = {
  mayAct: false,
  mayRead: true,
  show(title, ...content) {
    document.title = title === "heroq" ? "heroq" : `${line(title)} – heroq`;
    main.replaceChildren(...content);
  },
  // "ok", or "lost" with what is known of it
  live(state, text = "") {
    live.dataset.state = state;
    setText(live, state === "ok" ? "live" : line(text || "no answer"));
    live.title = live.textContent;
    main.classList.toggle("stale", state !== "ok");
  },
  session,
};

async function session() {
  let found;
  try {
    found = await get("session");
  } catch (error) {
    page.live("lost", error.message);
    setTimeout(session, 2000);
    return;
  }
  const changed = page.mayAct !== found.may_act || page.mayRead !== found.may_read || !view;
  page.mayAct = found.may_act;
  page.mayRead = found.may_read;
  newJob.hidden = !found.may_act;
  access.hidden = false;
  access.disabled = !found.has_token;
  setText(access, found.may_act ? "Lock" : found.has_token ? "Unlock" : "Read-only");
  access.title = found.has_token ? "" : "heroq web was started without a token: nobody can act here";
  if (changed) route();
}

function route() {
  const [path, parameters] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  const [, what, ...rest] = path.split("/");
  view?.close();
  view = null;
  if (!page.mayRead) {
    page.show("heroq", h("p", { class: "empty" }, "This page wants its token."));
    setText(live, "locked");
    return login(session);
  }
  const name = safely(rest.join("/"));
  const given = new URLSearchParams(parameters || "");
  if (what === "queue" && name) view = queue(page, name, given);
  else if (what === "job" && name) view = job(page, name);
  else if (what === "jobs") view = search(page, given);
  else view = overview(page);
  window.scrollTo(0, 0);
}

function safely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

access.addEventListener("click", async () => {
  if (!page.mayAct) return login(session);
  try {
    await post("logout");
  } catch (error) {
    toast(error.message, true);
  }
  session();
});
newJob.addEventListener("click", () => dispatch());
document.getElementById("help").addEventListener("click", help);
document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `#/jobs${query(filtersOf(searchText.value))}`;
  searchText.blur();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

function moveRow(step) {
  const links = [...main.querySelectorAll("tbody a")];
  const at = links.findIndex((link) => link.closest("tr") === document.activeElement?.closest("tr"));
  links[at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input:not([type=checkbox]), textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const keys = {
    "/": () => searchText.focus(), "?": help, j: () => moveRow(1), k: () => moveRow(-1), o: () => (location.hash = "#/"),
    n: () => page.mayAct && dispatch(),
  };
  if (keys[event.key]) keys[event.key]();
  else if (!view?.onkey?.(event.key)) return;
  event.preventDefault();
});

// heroq web --act prints a link with the token behind the #, which browsers keep to themselves.
async function start() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    try {
      await post("login", { token: safely(given[1]) });
    } catch (error) {
      toast(error.message, true);
    }
  }
  await session();
}

window.addEventListener("hashchange", () => (/^#token=/.test(location.hash) ? start() : route()));
start();
