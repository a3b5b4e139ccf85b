"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // The tooltip takes the place of the browser's own; all of it is text.
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  const show = (element, x, y) => {
    tip.textContent = element.dataset.tip;
    tip.hidden = false;
    const width = root.clientWidth;
    const left = Math.min(Math.max(12, x + 14), Math.max(12, width - tip.offsetWidth - 12));
    const above = y - tip.offsetHeight - 14;
    tip.style.left = `${left + window.scrollX}px`;
    tip.style.top = `${(above > 8 ? above : y + 18) + window.scrollY}px`;
  };
  for (const element of document.querySelectorAll("[data-tip]")) {
    const title = element.querySelector("title");
    element.dataset.tip = title.textContent;
    title.remove();
    element.addEventListener("mousemove", (event) => show(element, event.clientX, event.clientY));
    element.addEventListener("mouseleave", hide);
    element.addEventListener("focus", () => {
      const box = element.querySelector(".mark").getBoundingClientRect();
      show(element, box.right, box.top);
    });
    element.addEventListener("blur", hide);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // A design of the chart opens its entry in the list.
  const designs = document.querySelector(".designs");
  const choose = (dot) => {
    const entry = document.getElementById(dot.dataset.design);
    for (const other of document.querySelectorAll(".dot.on")) other.classList.remove("on");
    dot.classList.add("on");
    for (const other of designs.querySelectorAll(".chosen")) other.classList.remove("chosen");
    entry.classList.add("chosen");
    entry.open = true;
    hide();
    entry.scrollIntoView({ block: "nearest" });
  };
  for (const dot of document.querySelectorAll(".dot")) {
    dot.addEventListener("click", () => choose(dot));
    dot.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(dot);
    });
  }
  const every = document.getElementById("every");
  const all = every.textContent;
  every.addEventListener("click", () => {
    const on = designs.classList.toggle("every");
    every.setAttribute("aria-pressed", String(on));
    every.textContent = on ? "Show the chosen design" : all;
  });

  // Copied by the clipboard where a page may use it, else chosen for Ctrl-C.
  const chosenText = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  for (const button of document.querySelectorAll(".copy")) {
    const name = button.textContent;
    button.addEventListener("click", async () => {
      const element = document.getElementById(button.dataset.copy);
      let done = "Copied";
      try {
        await navigator.clipboard.writeText(element.textContent);
      } catch {
        chosenText(element);
        done = document.execCommand("copy") ? "Copied" : "Chosen: press Ctrl-C";
      }
      button.textContent = done;
      setTimeout(() => { button.textContent = name; }, 2000);
    });
  }

  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
