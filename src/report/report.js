
"use strict";
// A click on a heading sorts the table by that column: numbers by their exact value, text by the reader's language.
// Cells without a value stay last. A second click reverses the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, index) => {
    const numeric = heading.classList.contains("number");
    const key = (row) => {
      const cell = row.cells[index];
      return numeric ? parseFloat(cell.dataset.value) : cell.textContent;
    };
    const missing = (value) => value === "" || value === "-" || Number.isNaN(value);
    const compare = (a, b) => (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    heading.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const rows = [...body.rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => missing(a) - missing(b) || (missing(a) ? 0 : sign * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    });
  });
}
// Browsers show a title late, and only on hovering. So titles become labels, which the code below reads.
const pick = (selector) => [...document.querySelectorAll(`.picture ${selector}`)];
for (const title of pick("title")) {
  title.parentElement.ariaLabel = title.textContent;
  title.remove();
}
for (const svg of pick("svg")) svg.role = "group";
// Shows the name of the mark under the pointer beside it.
const said = document.getElementById("said");
let spoken = null;
const say = (mark) => {
  spoken = mark;
  said.textContent = mark ? mark.ariaLabel : "";
  if (!mark) return;
  const box = mark.getBoundingClientRect();
  const left = Math.min(box.right + 6, document.documentElement.clientWidth - said.offsetWidth - 6);
  said.style.left = `${Math.max(left, 6)}px`;
  said.style.top = `${Math.max(box.top - said.offsetHeight - 6, 6)}px`;
};
const MARKS = ":is(.point, .cell)";
document.addEventListener("pointerover", ({ target }) => say(target.closest(`.picture ${MARKS}`)));
document.addEventListener("scroll", () => say(spoken), { capture: true, passive: true });
// A click on a series hides it in all figures. A click on its label hides it or shows it again. From a label, the arrow
// keys step through the marks of its series.
const named = (kind, name) => pick(`.${kind}`).filter((group) => group.ariaLabel === name);
const toggle = (name) => {
  const [series, labels] = [named("series", name), named("label", name)];
  const isOff = series[0].classList.contains("off");
  for (const group of [...series, ...labels]) group.classList.toggle("off", !isOff);
  for (const label of labels) label.ariaPressed = isOff;
};
for (const series of pick(".series")) series.addEventListener("click", () => toggle(series.ariaLabel));
for (const label of pick(".label").filter((label) => named("series", label.ariaLabel).length)) {
  const name = label.ariaLabel;
  let at = -1;
  Object.assign(label, { tabIndex: 0, role: "button", ariaPressed: true });
  label.addEventListener("click", () => toggle(name));
  label.addEventListener("blur", () => say(null));
  label.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const own = named("series", name).filter((series) => label.ownerSVGElement.contains(series));
    const marks = own.flatMap((series) => [...series.querySelectorAll(MARKS)]);
    if (event.key === "Enter" || event.key === " ") toggle(name);
    else if (step && marks.length) {
      at = at < 0 && step < 0 ? marks.length - 1 : (at + step + marks.length) % marks.length;
      say(marks[at]);
    } else return;
    event.preventDefault();
  });
}
// A table row under the pointer or with the focus highlights the curves of its model. The arrow keys move the focus.
const light = (row) => {
  const at = row ? [...row.closest("table").tHead.rows[0].cells].findIndex((c) => c.textContent === "model") : -1;
  const model = at < 0 ? "" : row.cells[at].textContent.replace(/^(builtin:)+/, "");
  const isOf = (label) => label === model || label.startsWith(`${model} (`) || label.startsWith(`${model}, `);
  for (const group of pick(":is(.series, .label)")) group.classList.toggle("lit", !!model && isOf(group.ariaLabel));
  for (const svg of pick("svg")) svg.classList.toggle("dim", !!svg.querySelector(".lit"));
};
for (const body of document.querySelectorAll("tbody")) {
  [...body.rows].forEach((row, i) => (row.tabIndex = i ? -1 : 0));
  for (const kind of ["pointerover", "focusin"]) body.addEventListener(kind, ({ target }) => light(target.closest("tr")));
  for (const kind of ["pointerleave", "focusout"]) body.addEventListener(kind, () => light(null));
  body.addEventListener("keydown", (event) => {
    const { nextElementSibling: ArrowDown, previousElementSibling: ArrowUp } = event.target.closest("tr");
    const next = { ArrowDown, ArrowUp }[event.key];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
