// Charts: uPlot for those over time, small SVG for lines in a table.
import { h } from "./dom.js";

const COLOURS = { good: "--good", bad: "--bad", wait: "--accent", slow: "--warn" };
const SVG = "http://www.w3.org/2000/svg";
const dark = matchMedia("(prefers-color-scheme: dark)");
const shown = new Set();
dark.addEventListener("change", () => shown.forEach((chart) => chart.isConnected && chart.redraw()));

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// series: [{label, colour: a key of COLOURS, bars: true, text: (value) => string}]
export function chart(title, series, { time = true, unit = (value) => String(value), ticks = null } = {}) {
  const place = h("div", { class: "plot" });
  const keys = series.map((one) => h("span", { class: `key ${one.colour}` }, one.label));
  const figure = h("figure", { class: "chart" }, h("figcaption", {}, h("span", {}, title), ...keys), place);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", title);
  // Bars stand around their place, half of them at the edges too.
  const half = series.some((one) => one.bars) && (time ? 30 : 0.5);
  let plot = null;
  let data = null;

  const options = (width) => {
    const ink = colour("--dim");
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: ink, grid, ticks: { ...grid, size: 4 }, font: "11px system-ui, sans-serif" };
    return {
      width,
      height: 136,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: !ticks } },
      scales: { x: { time, range: (u, low, high) => (half ? [low - half, high + half] : [low, Math.max(high, low + 10)]) }, y: { range: (u, low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, size: 26, grid: { show: false }, values: ticks ? (u, at) => at.map((i) => ticks(i, data) ?? "") : TIMES },
        { ...axis, size: 52, values: (u, at) => at.map(unit) },
      ],
      series: [
        {},
        ...series.map((one) => ({
          label: one.label,
          stroke: colour(COLOURS[one.colour]),
          fill: one.bars ? colour(COLOURS[one.colour]) : undefined,
          width: one.bars ? 0 : 2,
          points: { show: false },
          paths: one.bars ? window.uPlot.paths.bars({ size: [0.7, 40], gap: 1 }) : undefined,
        })),
      ],
    };
  };

  figure.redraw = () => {
    const width = place.clientWidth;
    if (!data || !width || !window.uPlot) return;
    plot?.destroy();
    plot = new window.uPlot(options(width), data, place);
  };
  // `summary`: what somebody hears who does not see the chart.
  figure.show = (next, summary) => {
    data = next;
    place.setAttribute("aria-label", `${title}: ${summary}`);
    if (plot && plot.width === place.clientWidth && !ticks) plot.setData(next);
    else figure.redraw();
  };
  new ResizeObserver(() => plot && plot.width !== place.clientWidth && figure.redraw()).observe(place);
  shown.forEach((one) => one.isConnected || shown.delete(one));
  shown.add(figure);
  return figure;
}

const TIMES = (u, at, axis, space, step) =>
  at.map((second) => {
    const parts = { hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}), hourCycle: "h23" };
    return new Date(second * 1000).toLocaleTimeString([], parts);
  });

// Two lines of small numbers.
export function sparkline(finished, failed) {
  const svg = document.createElementNS(SVG, "svg");
  const most = Math.max(1, ...finished, ...failed);
  const draw = (values, name) => {
    const path = document.createElementNS(SVG, "polyline");
    const step = 88 / Math.max(1, values.length - 1);
    path.setAttribute("points", values.map((value, i) => `${(1 + i * step).toFixed(1)},${(19 - (17 * value) / most).toFixed(1)}`).join(" "));
    path.setAttribute("class", name);
    svg.append(path);
  };
  svg.setAttribute("viewBox", "0 0 90 20");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `finished ${finished.join(", ")}; failed ${failed.join(", ")}`);
  if (failed.some((value) => value)) draw(failed, "bad");
  draw(finished, "good");
  return svg;
}
