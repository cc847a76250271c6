// What pages do beyond links and forms: times and numbers as the reader's language writes them and in his own time zone, a
// question before what cannot be undone, charts.
"use strict";

// The browser's languages, for times, numbers and charts alike: its own default may be another one.
const languages = navigator.languages.length ? navigator.languages : undefined;

function localise(root) {
  localTimes(root);
  localNumbers(root);
}

// <data value="1234.5" data-digits="1">: all numbers that are counts or measures.
function localNumbers(root) {
  for (const data of root.querySelectorAll("data[value]:not([data-local])")) {
    data.dataset.local = "";
    const digits = Number(data.dataset.digits ?? 0);
    const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    data.textContent = Number(data.value).toLocaleString(languages, shown);
  }
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.dataset.local = "";
    time.title = time.textContent;
    // "long" names the zone: what is printed, or shown to others, is read elsewhere.
    const timeStyle = time.closest("[data-zoned]") ? "long" : "medium";
    time.textContent = at.toLocaleString(languages, { dateStyle: "medium", timeStyle });
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

// <input data-narrows="ID">: rows (data-row) below that element stay while they hold what is typed. Enter sends nothing.
document.addEventListener("input", (event) => {
  const place = event.target.dataset && document.getElementById(event.target.dataset.narrows || "");
  if (!place) return;
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of place.querySelectorAll("[data-row]")) {
    row.hidden = wanted !== "" && !row.textContent.toLowerCase().includes(wanted);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.dataset && event.target.dataset.narrows) event.preventDefault();
});

// The menu is folded on a phone, and open otherwise: without a script it can be opened all the same.
function unfoldMenu() {
  const fold = document.querySelector(".menu-fold");
  if (fold) fold.open = !window.matchMedia("(max-width: 60rem)").matches;
}

// <div data-chart="/overview/series?range=24h">: lines over time; the same numbers stand in a table for those who do not see it.
function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

// Labels of a time axis, for times in seconds that lie `step` seconds apart: the day stands where it changes, the year too.
function timeLabels(times, step) {
  let before = new Date(NaN);
  return times.map((seconds) => {
    const at = new Date(seconds * 1000);
    const sameDay = at.toDateString() === before.toDateString();
    const year = at.getFullYear() === before.getFullYear() || Number.isNaN(before.getTime()) ? undefined : "numeric";
    before = at;
    const day = at.toLocaleDateString(languages, { day: "numeric", month: "short", year });
    if (step >= 86400) return day;
    const second = step < 60 ? "2-digit" : undefined;
    const time = at.toLocaleTimeString(languages, { hour: "2-digit", minute: "2-digit", second });
    return sameDay ? time : `${time}\n${day}`;
  });
}

const drawn = new Map();

async function draw(place) {
  const response = await fetch(place.dataset.chart, { headers: { Accept: "application/json" } });
  if (!response.ok) return;
  const data = await response.json();
  const timeAxis = { values: (_, at, space, step) => timeLabels(at, step), space: 70 };
  const countAxis = { values: (_, counts) => counts.map((count) => count.toLocaleString(languages)), size: 60 };
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const options = {
    width: place.clientWidth, height: 240, legend: { show: false }, cursor: { y: false },
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
    axes: [{ ...axis, ...timeAxis }, { ...axis, ...countAxis }],
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

// <button data-copy="id" hidden>: copies the text of that element. Where the browser has no clipboard for us, it is selected.
document.addEventListener("click", async (event) => {
  const button = event.target.closest && event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    window.getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
});

// <button data-print hidden>
document.addEventListener("click", (event) => {
  if (event.target.closest && event.target.closest("[data-print]")) window.print();
});

// <input type="file" data-into="id">: the file's text goes into that field, and only from there to the server.
document.addEventListener("change", async (event) => {
  const into = event.target.dataset && event.target.dataset.into;
  if (into && event.target.files.length) document.getElementById(into).value = await event.target.files[0].text();
});

// <div hx-get data-refreshed="id">: that notice is shown while what refreshes itself cannot.
function refreshed(event) {
  const notice = document.getElementById(event.target.dataset?.refreshed ?? "");
  if (notice) notice.hidden = event.type === "htmx:afterOnLoad" && event.detail.xhr.status < 400;
}
for (const name of ["htmx:afterOnLoad", "htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, refreshed);
}

// <section hx-get data-rests>: it rests while something in it has the focus, which new content would take away.
document.addEventListener("htmx:beforeRequest", (event) => {
  if ("rests" in event.target.dataset && event.target.contains(document.activeElement)) event.preventDefault();
});

function showScripted() {
  for (const part of document.querySelectorAll("[data-copy], [data-print], [data-needs-script]")) part.hidden = false;
}

document.addEventListener("DOMContentLoaded", () => {
  unfoldMenu();
  showScripted();
  localise(document);
  charts(document);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts(document));
  window.addEventListener("resize", () => {
    for (const [place, plot] of drawn) plot.setSize({ width: place.clientWidth, height: 240 });
  });
});
document.addEventListener("htmx:load", (event) => localise(event.target));
