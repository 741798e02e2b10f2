// Comfort only: copy, sort, point out an arm, hide an arm, a log axis. The page says everything without it.
"use strict";
const all = (query, from = document) => [...from.querySelectorAll(query)];
function button(text, kind, action) {
  const made = document.createElement("button");
  made.type = "button"; made.className = kind; made.textContent = text;
  made.addEventListener("click", () => action(made));
  return made;
}
async function copy(text, made) {
  const before = made.textContent;
  try { await navigator.clipboard.writeText(text); made.textContent = "copied"; }
  catch { made.textContent = "not allowed here: select the text"; }
  setTimeout(() => { made.textContent = before; }, 1500);
}
for (const place of all(".b")) {
  place.append(button("copy", "copy", made => copy(document.getElementById(place.dataset.from).textContent, made)));
}
// Sort a table by a column: the figures in data-v, else the text as a number, else as words. What is empty comes last.
for (const table of all("table.sortable")) {
  all("thead th", table).forEach((head, column) => {
    const value = row => row.cells[column].dataset.v ?? row.cells[column].textContent.trim().replace("−", "-");
    const made = button("", "sort", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      const order = (a, b) => {
        if (!a || !b) return (!a) - (!b);
        const found = isNaN(a) || isNaN(b) ? b.localeCompare(a) : b - a;
        return down ? found : -found;
      };
      const rows = all("tbody tr", table).sort((a, b) => order(value(a), value(b)));
      for (const other of all("thead th", table)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.tBodies[0].append(...rows);
    });
    made.append(...head.childNodes); head.append(made);
  });
}
// Pointing at an arm anywhere lifts it out of all figures.
const drawn = all("svg .arm");
for (const part of all("[data-arm]")) {
  part.addEventListener("mouseenter", () => {
    document.body.classList.add("dim");
    for (const other of drawn) other.classList.toggle("on", other.dataset.arm === part.dataset.arm);
  });
  part.addEventListener("mouseleave", () => document.body.classList.remove("dim"));
}
function box(place, text, kind, checked, action) {
  const [pair, made, label] = ["span", "input", "label"].map(name => document.createElement(name));
  made.type = "checkbox"; made.checked = checked; made.id = "box-" + all("input").length;
  label.htmlFor = made.id; label.textContent = text; label.className = kind;
  made.addEventListener("change", () => action(made.checked));
  pair.className = "pair"; pair.append(made, label); place.append(pair, " ");
}
// Moves the heights of a drawing between a linear and a log axis: data-values holds both ends and their pixels.
function toLog(drawing, log) {
  const [low, high, bottom, top] = drawing.dataset.values.split(" ").map(Number);
  const share = value => log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  const moved = y => {
    const part = (bottom - y) / (bottom - top);
    const value = log ? low + part * (high - low) : low * (high / low) ** part;
    return bottom - (value > 0 ? Math.max(-9, share(value)) : -9) * (bottom - top);
  };
  for (const path of all("path:not(.axis)", drawing)) {
    // "M46 35.1l4-3 …z": a point, and steps from there; of a name's lead only the end at the line moves.
    const [x0, y0, ...steps] = path.getAttribute("d").match(/-?[\d.]+(?:e-?\d+)?/g).map(Number);
    const points = [[x0, y0]];
    for (let i = 0; i < steps.length; i += 2) points.push([points.at(-1)[0] + steps[i], points.at(-1)[1] + steps[i + 1]]);
    const kept = path.classList.contains("lead") ? 1 : points.length;
    const told = points.map(([x, y], i) => `${x.toFixed(1)} ${(i < kept ? moved(y) : y).toFixed(2)}`);
    path.setAttribute("d", `M${told[0]}` + told.slice(1).map((step, i) => {
      const [a, b] = [told[i], step].map(each => each.split(" ").map(Number));
      return `l${(b[0] - a[0]).toFixed(2)} ${(b[1] - a[1]).toFixed(2)}`;
    }).join("") + (path.classList.contains("band") ? "z" : ""));
  }
  for (const text of all("text[text-anchor=end]", drawing)) {
    const y = Number(text.getAttribute("y"));
    if (y < bottom + 6) text.setAttribute("y", moved(y - 4.5) + 4.5);
  }
  for (const text of all("text:first-of-type", drawing)) {
    if (text.parentNode === drawing) text.textContent = text.textContent.replace(", log scale", "") + (log ? ", log scale" : "");
  }
}
// Boxes before the curves: one an arm, which takes it off them, and one for the axis of the losses.
for (const place of all(".choose")) {
  const parts = all("svg .arm", place.parentNode);
  for (const arm of new Set(parts.map(part => part.dataset.arm))) {
    const mine = parts.filter(part => part.dataset.arm === arm);
    const name = mine.flatMap(part => all("text", part)).at(0);
    if (!name) continue;
    box(place, name.textContent, mine[0].getAttribute("class").replace("arm ", ""), true, checked => {
      for (const part of mine) part.classList.toggle("off", !checked);
    });
  }
  const scaled = all("svg[data-values]", place.parentNode);
  if (scaled.length) {
    box(place, "log axis", "plain", scaled[0].dataset.values.endsWith("log"), checked => {
      for (const drawing of scaled) toLog(drawing, checked);
    });
  }
}
// Older browsers leave closed details out of the print.
addEventListener("beforeprint", () => { for (const part of all("details")) part.open = true; });
