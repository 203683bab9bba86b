"use strict";

// what the page carries, compressed: figures at once; trials, details, the CSV, plans and ideas when asked for
function bytes(name) {
  const letters = atob(document.getElementById(`data-${name}`).textContent), made = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) made[at] = letters.charCodeAt(at);
  return made;
}
const unpack = (name) => new Response(new Blob([bytes(name)]).stream().pipeThrough(new DecompressionStream("gzip")));
const data = await unpack("page").json();
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
  if (narrow) config.legend.labelLimit = place.clientWidth - 45;
  spec.autosize = { type: "fit-x", contains: "padding" };
  for (const layer of spec.layer) {
    for (const name of ["color", "strokeDash"]) {
      const legend = layer.encoding?.[name]?.legend;
      if (legend && narrow) legend.columns = Math.floor((legend.columns ?? 4) / 2); // of four two, of two long ones one
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
const near = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
  if (!isIntersecting) return;
  near.unobserve(target);
  draw(target.querySelector("[data-chart]"));
}), { rootMargin: "600px" });
for (const place of places) near.observe(place.closest("figure"));
dark.addEventListener("change", () => places.filter((place) => views.has(place.dataset.chart)).forEach(draw));

// what goes on beyond the edge says so, and answers the keyboard
function edges(region) {
  const hidden = region.scrollWidth - region.clientWidth;
  region.classList.toggle("goes-on", hidden > 1 && region.scrollLeft < hidden - 1);
  if (region.matches(".sideways")) {
    const attributes = hidden > 1 ? { tabindex: "0", role: "region", "aria-label": `${region.dataset.name}, ${region.firstElementChild.dataset.chart}` } : { tabindex: null, role: null, "aria-label": null };
    for (const [name, value] of Object.entries(attributes)) value === null ? region.removeAttribute(name) : region.setAttribute(name, value);
  }
}
const resized = new ResizeObserver((seen) => seen.forEach(({ target }) => edges(target.matches(".sideways, .scroll") ? target : target.parentElement)));
for (const region of document.querySelectorAll(".sideways, .scroll")) {
  region.addEventListener("scroll", () => edges(region), { passive: true });
  resized.observe(region);
  resized.observe(region.firstElementChild);
}

// evidence is folded: a link to it, the address, and printing open it
function reveal(id) {
  for (let part = document.getElementById(id); part; part = part.parentElement) if (part.matches("details")) part.open = true;
  if (id) document.getElementById(id)?.scrollIntoView();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#']");
  if (link && !link.dataset.trial && link.id !== "plan-link") reveal(link.hash.slice(1));
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

// a page opened from disk may not save the files beside it, but it carries each SVG itself
for (const link of document.querySelectorAll(".files a[download$='.svg']")) {
  link.href = link.closest("figure").querySelector(".still").src;
}

// trials: sorted and filtered as data; rows are made when the section is unfolded, as far down as one has scrolled
const AT_A_TIME = 200;

async function list(table) {
  const folded = table.closest("details"), trials = await unpack("trials").json();
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], region = table.closest(".scroll");
  const find = document.getElementById("find"), task = document.getElementById("task"), status = document.getElementById("status");
  const order = new Intl.Collator(undefined, { numeric: true });
  const all = trials.map((cells) => ({ cells }));
  const text = (trial) => trial.text ??= trial.cells.join(" ").toLowerCase();
  const names = Object.fromEntries(data.columns.map((name, index) => [name, index]));
  let shown = all;

  function row({ cells }) {
    const made = document.createElement("tr");
    heads.forEach((head, column) => {
      const value = cells[column], cell = element(column ? "td" : "th", "");
      if (!column) cell.scope = "row";
      if (head.classList.contains("number")) { cell.className = "number"; cell.dataset.value = value ?? -1; }
      if (column === names.Identity) {
        const link = element("a", value.slice(0, 8), "identity");
        link.href = `#trial-${value}`;
        link.dataset.trial = value;
        cell.append(link);
      } else if (column === names.Status) {
        const word = element("span", value, `status ${value}`);
        if (cells.at(-1)) word.title = cells.at(-1);
        cell.append(word);
      } else cell.textContent = column === names.Accuracy ? cells.at(-2) : typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 1, useGrouping: column !== names.N }) : value ?? "–";
      made.append(cell);
    });
    return made;
  }
  const more = () => body.append(...shown.slice(body.rows.length, body.rows.length + AT_A_TIME).map(row));
  function show() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = all.filter((trial) => words.every((word) => text(trial).includes(word))).filter(({ cells }) => (!task.value || cells[names.Task] === task.value) && (!status.value || cells[names.Status] === status.value));
    body.replaceChildren();
    more();
    region.scrollTop = 0;
    document.getElementById("shown").textContent = shown.length === all.length ? `${all.length} trials` : `${shown.length} of ${all.length} trials`;
  }
  region.addEventListener("scroll", () => { if (region.scrollTop + 2 * region.clientHeight > region.scrollHeight) more(); }, { passive: true });
  const unfolded = () => { if (folded.open && !body.rows.length) show(); };
  folded.addEventListener("toggle", unfolded);
  addEventListener("beforeprint", () => { folded.open = true; unfolded(); while (body.rows.length < Math.min(shown.length, 2000)) more(); });
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const numeric = head.classList.contains("number");
    all.sort(({ cells: a }, { cells: b }) => sign * (numeric ? (a[column] ?? -1) - (b[column] ?? -1) : order.compare(a[column], b[column])));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
    show();
  }));
  for (const field of [find, task, status]) field.addEventListener("input", show);
  find.form.addEventListener("submit", (event) => event.preventDefault());
  unfolded();
  document.getElementById("csv").addEventListener("click", async (event) => {
    event.preventDefault();
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await unpack("csv").blob()), download: "results.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

// the planner: numbers of the library, computed before; #plan=<task>|<length>|<bits>|<layers>|<state>|<model> chooses
async function planner(section) {
  const { tasks, models, laws, formats } = await unpack("plan").json();
  const names = ["task", "length", "precision", "layers", "state", "model", "card", "sentence", "reach", "held", "found", "link"];
  const part = Object.fromEntries(names.map((name) => [name, document.getElementById(`plan-${name}`)]));
  const { task, length, precision, layers, state, model } = part;
  const body = document.getElementById("plan-table").tBodies[0];
  const number = (value) => value === null ? null : Number.isInteger(value) ? value.toLocaleString("en") : String(value);
  const option = (text, value) => Object.assign(element("option", text), { value });

  function lengths(wanted) {
    const all = Object.keys(tasks[task.selectedIndex].lengths);
    length.replaceChildren(...all.map((each) => option(Number(each).toLocaleString("en"), each)));
    length.value = all.includes(wanted) ? wanted : all.includes("400") ? "400" : all[0];
  }
  const known = () => model.append(...models.slice(model.options.length - 1).map(({ label }) => option(label, label)));
  // bits of state at a length, by a formula or as a card measured them: constant, or a line; what is neither is not guessed
  function bits({ growth, lengths: at, bits: measured, bits_per_token: slope, at: computed }, wanted) {
    if (computed) return computed(wanted);
    const seen = at.indexOf(wanted), last = at.length - 1;
    if (seen >= 0) return measured[seen];
    if (growth === "constant") return measured[last];
    return growth === "linear" ? measured[last] + slope * (wanted - at[last]) : null;
  }
  function verdict(chosen, needed) {
    const holds = bits(chosen.state, Number(length.value));
    if (holds === null) return `${chosen.label}: its state was not measured at this length.`;
    const ruling = needed === null ? "no bound known" : needed > holds ? "ruled out (proved)" : "not ruled out";
    const asks = needed === null ? "" : `, where an exact recurrent model needs ${number(needed)}`;
    return `${chosen.label}, ${chosen.state.growth} state: ${number(holds)} bits here${asks}: ${ruling}.`;
  }
  function show() {
    const chosen = tasks[task.selectedIndex], at = chosen.lengths[length.value], { rows, sentence: said } = at.sizes[precision.value];
    const kept = rows.filter(([who]) => !layers.value || !who.includes("Transformer") || who.startsWith(layers.value));
    body.replaceChildren(...kept.map(([who, arithmetic, lower, status, best, source]) => {
      const row = element("tr"), head = element("th", who);
      head.scope = "row";
      row.append(head, element("td", number(lower) ?? status, "number"), element("td", arithmetic), Object.assign(element("td", number(best) ?? "–", "number"), { title: source }));
      [...row.cells].forEach((cell, index) => { cell.dataset.title = ["Class", "Must have", "Arithmetic", "Suffices"][index]; });
      return row;
    }));
    part.sentence.textContent = said;
    const reach = chosen.reach[state.selectedIndex];
    part.reach.textContent = reach ? `How long a context may a recurrent state of ${state.value} serve exactly, in any arithmetic? Tokens: ${reach}.` : "";
    const held = models[model.selectedIndex - 1];
    part.held.textContent = held ? verdict(held, rows[0][2]) : "";
    const seen = at.found.map((each) => `${each.model}: ${typeof each.width === "number" ? `width ${each.width}, ${each.seeds} seeds` : each.width}`);
    part.found.replaceChildren(...(seen.length ? [element("p", `Found by training on this page (observed): ${seen.join("; ")}.`, "measured")] : []));
    part.link.href = `#plan=${encodeURIComponent([task, length, precision, layers, state, model].map((each) => each.value).join("|"))}`;
  }
  function follow() {
    if (!location.hash.startsWith("#plan=")) return;
    const [chosen, at, ...others] = decodeURIComponent(location.hash.slice(6)).split("|");
    if (!tasks.some((each) => each.title === chosen)) return;
    task.value = chosen;
    [precision, layers, state, model].forEach((field, index) => {
      if ([...field.options].some((each) => each.value === others[index])) field.value = others[index];
    });
    lengths(at);
    show();
    section.scrollIntoView();
  }
  async function card() { // read here, sent nowhere
    const [file] = part.card.files;
    if (!file) return;
    try {
      models.push(globalThis.modelOf(file.name, JSON.parse(await file.text()), { laws, formats }));
      known();
      model.selectedIndex = models.length;
      show();
    } catch (error) {
      part.held.textContent = `${file.name} is no card, and no configuration the page can read: ${error instanceof SyntaxError ? "it is not JSON" : error.message}.`;
    } finally {
      part.card.value = ""; // the same file may be chosen again, edited
    }
  }
  known();
  task.addEventListener("input", () => { lengths(length.value); show(); });
  for (const field of [length, precision, layers, state, model]) field.addEventListener("input", show);
  part.card.addEventListener("change", card);
  section.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", follow);
  lengths("400");
  show();
  follow();
}

// one trial: everything about it; #trial-<identity> in the address opens it too
const dialog = document.getElementById("trial");
let details; // unpacked with the first that is asked for
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

async function open(identity) {
  details ??= await unpack("details").json();
  const trial = Object.hasOwn(details, identity) ? details[identity] : null;
  if (!trial) return;
  document.getElementById("trial-name").textContent = trial.name;
  document.getElementById("trial-body").replaceChildren(
    element("code", identity),
    element("h3", "Result"), fields(trial.result),
    ...(trial.groups ? groups(trial) : []),
    element("h3", "Configuration"), Object.assign(element("pre", JSON.stringify(trial.config, null, 2)), { tabIndex: 0 }),
    element("h3", "Environment"), fields(trial.environment),
  );
  dialog.showModal();
  dialog.scrollTop = 0;
}

function follow() {
  if (location.hash.startsWith("#trial-")) { open(location.hash.slice(7)); return; }
  if (dialog.open) dialog.close();
  if (location.hash && !location.hash.startsWith("#plan=")) reveal(decodeURIComponent(location.hash.slice(1)));
}
dialog.addEventListener("close", () => { if (location.hash.startsWith("#trial-")) history.replaceState(null, "", "#trials"); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
document.addEventListener("click", (event) => {
  const identity = event.target.closest?.("[data-trial]")?.dataset.trial;
  if (identity) { event.preventDefault(); history.replaceState(null, "", `#trial-${identity}`); open(identity); }
});
addEventListener("hashchange", follow);
// what is far down waits until it is near, asked for, or nothing else is to be done
function later(part, run) {
  let begun;
  const begin = () => { begun ??= run(); };
  new IntersectionObserver((seen, observer) => { if (seen.some((each) => each.isIntersecting)) { observer.disconnect(); begin(); } }, { rootMargin: "300px" }).observe(part);
  part.addEventListener("toggle", begin);
  if (location.hash.startsWith(`#${part.id}`)) begin();
  (window.requestIdleCallback ?? ((idle) => setTimeout(idle, 1000)))(begin);
}
// the ideas, drawn: unpacked when they are asked for, with a slider each
async function drawn(place) {
  const made = document.createElement("div");
  made.innerHTML = await unpack("ideas").text(); // the library's own drawings, nothing of a store
  for (const part of made.querySelectorAll("[data-step]")) {
    const frames = [...part.querySelectorAll(".frame")], still = frames.findIndex((frame) => !frame.hidden);
    const label = element("label", `${part.dataset.step} `), range = Object.assign(element("input"), { type: "range", min: 1, max: frames.length, value: still + 1 });
    label.append(range);
    range.addEventListener("input", () => frames.forEach((frame, index) => { frame.hidden = index + 1 !== Number(range.value); }));
    part.append(label);
  }
  place.append(made);
}
const ideas = document.getElementById("ideas");
ideas.addEventListener("toggle", () => { if (!ideas.querySelector("[data-step]")) drawn(ideas); }, { once: true });
const table = document.getElementById("trial-table"); // a page of theorems alone has none
if (table) later(document.getElementById("trials"), () => list(table));
const plan = document.getElementById("plan");
if (plan) { plan.hidden = false; later(plan, () => planner(plan)); }
follow();
