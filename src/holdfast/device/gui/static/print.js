// Prints the page; the button appears only where scripts run.
"use strict";
for (const button of document.querySelectorAll("[data-prints]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
