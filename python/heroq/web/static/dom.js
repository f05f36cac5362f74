// Elements from plain data: text is only ever text.

// h("a", {href: "#/", class: "x", onclick: f}, "text", node, …)
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// What would move the cursor, or turn the direction of writing, shows as a dot.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function visible(text) {
  return String(text).replace(/\r\n/g, "\n").replace(INVISIBLE, "·");
}

// In one line.
export function line(text) {
  return visible(text).replace(/[\n\t]/g, "·");
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function count(number) {
  if (number === null || number === undefined) return "–";
  if (number >= 1e6) return `${trim(number / 1e6)} M`;
  return Math.round(number).toLocaleString("en").replace(/,/g, "\u202f");
}

export function rate(number) {
  return number >= 10 || number === 0 ? count(number) : trim(number);
}

function trim(number) {
  return number.toFixed(number < 10 ? 1 : 0).replace(/\.0$/, "");
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.0995) return `${trim(Math.max(0, seconds) * 1000)} ms`;
  if (seconds < 120) return `${trim(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function milliseconds(value) {
  return value === null || value === undefined ? "–" : span(value / 1000);
}

export function bytes(size) {
  if (size < 1024) return `${size} ${size === 1 ? "byte" : "bytes"}`;
  if (size < 1048576) return `${trim(size / 1024)} KiB`;
  return `${trim(size / 1048576)} MiB`;
}

// A time in Unix ms, with how long ago it is by the server's clock.
export function moment(ms, now) {
  if (!ms) return h("span", {}, "–");
  const date = new Date(ms);
  const away = (now - ms) / 1000;
  const text = away >= 0 ? `${span(away)} ago` : `in ${span(-away)}`;
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, text);
}

export function clock(ms) {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
}

export function toast(text, bad = false) {
  const place = document.getElementById("toast");
  place.className = bad ? "bad" : "";
  place.textContent = line(text);
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (place.textContent = ""), bad ? 8000 : 4000);
}
