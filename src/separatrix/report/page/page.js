"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

// figures: drawn when near the screen, again when the theme changes
const views = new Map();

async function draw(place) {
  const id = place.dataset.chart;
  const spec = structuredClone(data.charts[id]);
  const config = structuredClone(data.themes[dark.matches ? "dark" : "light"]);
  place.hidden = false;
  const narrow = place.clientWidth < 520;
  config.legend.columns = narrow ? 2 : 4;
  spec.autosize = { type: "fit-x", contains: "padding" };
  for (const layer of spec.layer) {
    for (const name of ["color", "strokeDash"]) {
      if (layer.encoding?.[name]?.legend) layer.encoding[name].legend.columns = config.legend.columns;
    }
  }
  config.background = null;
  views.get(id)?.finalize();
  try {
    views.set(id, await window.vegaEmbed(place, spec, { config, actions: false, renderer: "svg", ast: true, tooltip: { theme: dark.matches ? "dark" : "light" } }));
    place.closest("figure").classList.add("drawn");
  } catch (error) {
    place.hidden = true; // the still figure stays
    console.error(id, error);
  }
}

const places = [...document.querySelectorAll("[data-chart]")];
for (const place of places) draw(place);
dark.addEventListener("change", () => places.forEach(draw));

// a page opened from disk may not save the files beside it, but it carries each SVG itself
for (const link of document.querySelectorAll(".files a[download$='.svg']")) {
  link.href = link.closest("figure").querySelector(".still").src;
}

// trials: sorting and filtering
function list(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const numeric = head.classList.contains("number");
    const order = new Intl.Collator(undefined, { numeric: true });
    const rows = [...body.rows].sort((a, b) => numeric ? value(a, column) - value(b, column) : order.compare(value(a, column), value(b, column)));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...(down ? rows.reverse() : rows));
  }));

  const find = document.getElementById("find"), task = document.getElementById("task"), status = document.getElementById("status");

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word)) && (!task.value || row.dataset.task === task.value) && (!status.value || row.dataset.status === status.value));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = shown === body.rows.length ? `${shown} trials` : `${shown} of ${body.rows.length} trials`;
  }
  for (const field of [find, task, status]) field.addEventListener("input", filter);
  find.form.addEventListener("submit", (event) => event.preventDefault());
}
const table = document.getElementById("trial-table"); // a page of theorems alone has none
if (table) list(table);

// one trial: everything about it; #trial-<identity> in the address opens it too
const dialog = document.getElementById("trial");
const element = (tag, text, name) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, name ? { className: name } : {});
const percent = (share) => `${(100 * share).toFixed(1)}%`;

function fields(object) {
  const rows = element("tbody");
  for (const [name, content] of Object.entries(object)) {
    const row = rows.insertRow();
    row.append(element("th", name.replaceAll("_", " ")), element("td", typeof content === "number" ? content.toLocaleString("en", { maximumFractionDigits: 4 }) : String(content ?? "–")));
    row.lastChild.style.overflowWrap = "anywhere";
  }
  const whole = element("table");
  whole.append(rows);
  return whole;
}

function groups({ groups: names, accuracy: shares, loss_bits: losses }) {
  if (!names.length) { // by position
    const strip = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    strip.setAttribute("viewBox", `0 0 ${shares.length} 1`);
    strip.setAttribute("preserveAspectRatio", "none");
    strip.setAttribute("class", "strip");
    strip.setAttribute("role", "img");
    strip.setAttribute("aria-label", `Accuracy by position: ${percent(shares[0])} at the first, ${percent(shares.at(-1))} at the last`);
    shares.forEach((accuracy, index) => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, number] of Object.entries({ x: index, y: 1 - accuracy, width: 1, height: accuracy })) bar.setAttribute(key, number);
      bar.append(Object.assign(document.createElementNS("http://www.w3.org/2000/svg", "title"), { textContent: `position ${index}: ${percent(accuracy)}, loss ${losses[index]} bits` }));
      strip.append(bar);
    });
    return [element("h3", "Accuracy by position, first token to last"), strip];
  }
  const whole = element("table");
  whole.createTHead().insertRow().append(...["kind", "accuracy", "", "loss, bits"].map((title) => element("th", title)));
  const rows = whole.createTBody();
  names.forEach((name, index) => {
    const accuracy = shares[index];
    const row = rows.insertRow(), track = element("td", undefined, "track"), bar = element("span", undefined, "bar");
    bar.style.width = percent(accuracy);
    track.append(bar);
    row.append(element("th", name), element("td", percent(accuracy)), track, element("td", String(losses[index])));
  });
  return [element("h3", "By kind of example"), whole];
}

function open(identity) {
  const trial = Object.hasOwn(data.trials, identity) ? data.trials[identity] : null;
  if (!trial) return;
  document.getElementById("trial-name").textContent = trial.name;
  document.getElementById("trial-body").replaceChildren(
    element("code", identity),
    element("h3", "Result"), fields(trial.result),
    ...(trial.groups ? groups(trial) : []),
    element("h3", "Configuration"), element("pre", JSON.stringify(trial.config, null, 2)),
    element("h3", "Environment"), fields(trial.environment),
  );
  dialog.showModal();
  dialog.scrollTop = 0;
}

function follow() {
  if (location.hash.startsWith("#trial-")) open(location.hash.slice(7));
  else if (dialog.open) dialog.close();
}
dialog.addEventListener("close", () => { if (location.hash.startsWith("#trial-")) history.replaceState(null, "", "#trials"); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
document.addEventListener("click", (event) => {
  const identity = event.target.closest?.("[data-trial]")?.dataset.trial;
  if (identity) { event.preventDefault(); history.replaceState(null, "", `#trial-${identity}`); open(identity); }
});
addEventListener("hashchange", follow);
follow();
