
"use strict";
// Tables sort by the column whose heading is pressed: numbers by their exact value, text by the reader's language;
// cells without a value stay last. A second press turns the order round.
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
