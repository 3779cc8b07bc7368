// Filters and folding. Without this script the page shows everything, folded by the browser.
"use strict";
(() => {
  const form = document.getElementById("filters");
  const checks = [...document.querySelectorAll("details.check")];
  const groups = [...document.querySelectorAll(".group")];
  const told = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const words = new Map(checks.map((one) => [one, one.textContent.toLowerCase()]));
  const names = ["verdict", "severity", "recommendation"];

  const chosen = (name) =>
    new Set([...form.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value));

  const filter = () => {
    const wanted = names.map((name) => [name, chosen(name)]);
    const search = form.elements.words.value.trim().toLowerCase().split(/\s+/);
    let count = 0;
    for (const one of checks) {
      const fits =
        wanted.every(([name, set]) => set.size === 0 || set.has(one.dataset[name])) &&
        search.every((word) => words.get(one).includes(word));
      one.hidden = !fits;
      count += fits;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector("details.check:not([hidden])");
    }
    nothing.hidden = count > 0;
    told.textContent =
      count === checks.length ? `All ${count} checks` : `${count} of ${checks.length} checks`;
  };

  const fold = (open) => {
    for (const one of checks) {
      if (!one.hidden) one.open = open;
    }
  };

  // What a link leads to is unfolded, and shown even if a filter hides it.
  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    if (target.hidden) {
      form.reset();
      filter();
    }
    for (let one = target; one; one = one.parentElement) {
      if (one.tagName === "DETAILS") one.open = true;
    }
    target.scrollIntoView();
  };

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  document.getElementById("unfold").addEventListener("click", () => fold(true));
  document.getElementById("fold").addEventListener("click", () => fold(false));
  addEventListener("hashchange", reveal);

  // On paper nothing can be unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
  });

  // On a small screen the drawing begins where it matters: at what listens.
  for (const one of document.querySelectorAll(".scroll")) {
    if (one.scrollWidth > 1.6 * one.clientWidth) one.scrollLeft = one.scrollWidth;
  }

  filter();
  reveal();
})();
