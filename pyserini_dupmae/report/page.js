"use strict";
{
  // The interpreter (ast) takes the place of eval, which the page's policy forbids.
  const options = { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: { theme: "page" } };
  for (const chart of document.querySelectorAll(".chart")) {
    const spec = JSON.parse(chart.querySelector("script").textContent);
    vegaEmbed(chart, spec, { ...options, mode: chart.dataset.language, config: spec.config });
  }

  const order = (a, b) => (a.value === undefined) - (b.value === undefined) ||
    (typeof a.value === "number" && typeof b.value === "number" ? a.value - b.value : `${a.value}`.localeCompare(`${b.value}`));
  const valueOf = (cell) => cell.dataset.value === undefined ? cell.textContent || undefined : Number(cell.dataset.value);
  for (const heading of document.querySelectorAll("thead th")) {
    heading.firstChild.addEventListener("click", () => {
      const table = heading.closest("table");
      const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row.cells[heading.cellIndex]) }));
      const numbers = rows.some(({ value }) => typeof value === "number");
      const rising = heading.ariaSort ? heading.ariaSort !== "ascending" : !numbers;  // numbers: the largest first
      for (const other of heading.parentNode.cells) other.ariaSort = null;
      heading.ariaSort = rising ? "ascending" : "descending";
      const known = rows.filter(({ value }) => value !== undefined).sort(order);
      const empty = rows.filter(({ value }) => value === undefined);
      table.tBodies[0].append(...[...(rising ? known : known.reverse()), ...empty].map(({ row }) => row));
    });
  }
}
