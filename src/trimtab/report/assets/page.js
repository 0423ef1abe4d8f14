"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Theme: the system's, until the reader chooses. Storage may be forbidden for files opened from disk.
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `${button.textContent} colours`); };
  try {
    const kept = window.localStorage.getItem("trimtab-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* no storage: the choice lasts as long as the page */ }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { window.localStorage.setItem("trimtab-theme", root.dataset.theme); } catch { /* see above */ }
    name();
  });
  system.addEventListener("change", name);
  name();

  // Tooltips: one card for all marks, and the same trial lights up in every plot and in the table.
  const card = document.getElementById("tip");
  const marks = new Map();
  const tips = new Map();
  for (const mark of document.querySelectorAll("[data-trial]")) {
    const title = mark.querySelector(":scope > title");
    const key = mark.dataset.trial;
    if (title) {
      // The longest text that any plot has on a trial serves them all.
      if (title.textContent.length > (tips.get(key) || "").length) tips.set(key, title.textContent);
      title.remove();
    }
    if (!marks.has(key)) marks.set(key, []);
    marks.get(key).push(mark);
  }
  let lit = null;
  const light = (key) => {
    if (key === lit) return;
    for (const mark of marks.get(lit) || []) mark.classList.remove("on");
    for (const mark of marks.get(key) || []) mark.classList.add("on");
    lit = key;
  };
  const hide = () => { card.hidden = true; light(null); };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest ? event.target.closest("[data-trial]") : null;
    if (!mark) { hide(); return; }
    light(mark.dataset.trial);
    card.hidden = mark.tagName === "TR" || !tips.has(mark.dataset.trial);
    card.textContent = tips.get(mark.dataset.trial) || "";
    if (!card.hidden) place(event);
  });
  document.addEventListener("pointermove", (event) => { if (!card.hidden) place(event); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  const place = (event) => {
    const box = card.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, root.clientWidth - box.width - 8);
    const above = event.clientY - box.height - 14;
    card.style.left = `${Math.max(8, left)}px`;
    card.style.top = `${above > 8 ? above : event.clientY + 18}px`;
  };

  // The table: sort by a column's head, filter by state.
  const table = document.getElementById("trial-table");
  if (table) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => {
      const cell = row.cells[column];
      const text = cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
      return text === "" || text === "–" ? null : text;
    };
    const compare = (a, b) => {
      const [x, y] = [Number(a), Number(b)];
      return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
    };
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      // Rows without a value stay at the end either way.
      rows.sort(([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : way * compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    }));
    const filter = document.getElementById("state-filter");
    filter.addEventListener("change", () => {
      for (const row of body.rows) row.hidden = filter.value !== "" && row.dataset.state !== filter.value;
    });
  }

  // Parallel coordinates: drag along an axis to keep the trials that pass there, click it to let go.
  for (const svg of document.querySelectorAll("#figure-parallel-coordinates svg")) {
    const lines = [...svg.querySelectorAll("[data-x]")].map((line) => [line, line.dataset.x.split(" ").map(Number)]);
    const kept = new Map();
    const filterLines = () => {
      for (const [line, xs] of lines) {
        const inside = [...kept].every(([axis, [low, high]]) => xs[axis] >= low && xs[axis] <= high);
        line.classList.toggle("out", !inside);
      }
    };
    for (const zone of svg.querySelectorAll(".brush")) {
      const axis = Number(zone.dataset.axis);
      const whole = [Number(zone.getAttribute("x")), Number(zone.getAttribute("width"))];
      let from = null;
      const at = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
      const show = (low, high, on) => {
        zone.setAttribute("x", low);
        zone.setAttribute("width", high - low);
        zone.classList.toggle("brushed", on);
      };
      const release = () => { kept.delete(axis); show(whole[0], whole[0] + whole[1], false); filterLines(); };
      zone.addEventListener("pointerdown", (event) => { release(); from = at(event); zone.setPointerCapture(event.pointerId); });
      zone.addEventListener("pointermove", (event) => {
        if (from === null) return;
        const [low, high] = [Math.min(from, at(event)), Math.max(from, at(event))];
        if (high - low < 4) return;
        kept.set(axis, [low, high]);
        show(low, high, true);
        filterLines();
      });
      for (const end of ["pointerup", "pointercancel"]) zone.addEventListener(end, () => { from = null; });
    }
  }
})();
