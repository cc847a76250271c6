// What pages do beyond links and forms: times in the reader's own zone, a question before what cannot be undone, charts.
"use strict";

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.dataset.local = "";
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

// <form data-sure="Revoke it?">
document.addEventListener("submit", (event) => {
  const question = event.target.dataset && event.target.dataset.sure;
  if (question && !window.confirm(question)) event.preventDefault();
});

// <select data-submits>: choosing is sending.
document.addEventListener("change", (event) => {
  if (event.target.dataset && "submits" in event.target.dataset) event.target.form.requestSubmit();
});

// The menu is folded on a phone, and open otherwise: without a script it can be opened all the same.
function unfoldMenu() {
  const fold = document.querySelector(".menu-fold");
  if (fold) fold.open = !window.matchMedia("(max-width: 60rem)").matches;
}

// <div data-chart="/overview/series?range=24h">: lines over time; the same numbers stand in a table for those who do not see it.
function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

const drawn = new Map();

async function draw(place) {
  const response = await fetch(place.dataset.chart, { headers: { Accept: "application/json" } });
  if (!response.ok) return;
  const data = await response.json();
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const options = {
    width: place.clientWidth, height: 240, legend: { show: false }, cursor: { y: false },
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
    axes: [axis, { ...axis, size: 60 }],
    series: [{}, ...data.lines.map((line) => ({
      label: line.label, stroke: colour(`--${line.key}`), width: 2, points: { show: data.at.length < 3 },
      fill: line.key === "queries" ? undefined : `${colour(`--${line.key}`)}22`,
    }))],
  };
  drawn.get(place)?.destroy();
  place.replaceChildren();
  drawn.set(place, new uPlot(options, [data.at, ...data.lines.map((line) => line.values)], place));
}

function charts(root) {
  if (typeof uPlot === "undefined") return;
  for (const place of root.querySelectorAll("[data-chart]")) draw(place);
}

document.addEventListener("DOMContentLoaded", () => {
  unfoldMenu();
  localTimes(document);
  charts(document);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts(document));
  window.addEventListener("resize", () => {
    for (const [place, plot] of drawn) plot.setSize({ width: place.clientWidth, height: 240 });
  });
});
document.addEventListener("htmx:load", (event) => localTimes(event.target));
