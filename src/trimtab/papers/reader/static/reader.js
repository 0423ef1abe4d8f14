// Keys, live search and marks without leaving the page. Everything here also works without it, by links and forms.
(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const entries = () => [...document.querySelectorAll(".entry")];
  let at = -1;

  const go = (step) => {
    const all = entries();
    if (!all.length) return;
    all[at]?.classList.remove("on");
    at = Math.min(all.length - 1, Math.max(0, at + step));
    all[at].classList.add("on");
    all[at].querySelector("h3 a").focus({ preventScroll: true });
    all[at].scrollIntoView({ block: "center" });
  };

  const typing = (target) => target.closest("input, textarea, select") !== null;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const act = {
      j: () => go(1),
      k: () => go(-1),
      o: () => (entries()[at] ?? document).querySelector("h3 a")?.click(),
      s: () => (entries()[at] ?? document).querySelector("form[data-mark=reading] button")?.click(),
      "/": () => document.querySelector("input[name=q]")?.focus(),
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  // A mark is told to the server, and the button shows what the server then says.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.mark) return;
    event.preventDefault();
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) return form.submit();
    const marks = await answer.json();
    const paper = form.closest("[data-paper]");
    for (const other of paper.querySelectorAll("form[data-mark=vote], form[data-mark=reading]")) {
      const button = other.querySelector("button");
      const field = other.querySelector("input[name=value]");
      const on = other.dataset.mark === "reading" ? marks.reading : marks.vote === Number(other.dataset.on);
      button.setAttribute("aria-pressed", String(on));
      field.value = other.dataset.mark === "reading" ? String(Number(!on)) : on ? "0" : other.dataset.on;
      if (button.dataset.names) button.textContent = button.dataset.names.split("|")[Number(on)];
    }
    const votes = paper.querySelector("[data-votes]");
    if (votes) votes.textContent = marks.votes;
  });

  // Results as one types; an answer that comes late is not shown over a later one.
  const box = document.querySelector("form.seek input[name=q]");
  const results = document.getElementById("results");
  if (box && results) {
    let asked = 0;
    let pause;
    box.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(async () => {
        const mine = ++asked;
        const address = new URL(box.form.action);
        address.search = new URLSearchParams([...new URLSearchParams(location.search)].filter(([key]) => key !== "q" && key !== "page"));
        address.searchParams.set("q", box.value);
        const answer = await fetch(`${address.pathname}/live${address.search}`);
        if (!answer.ok || mine !== asked) return;
        results.innerHTML = await answer.text();
        at = -1;
        history.replaceState(null, "", address);
      }, 120);
    });
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }
})();
