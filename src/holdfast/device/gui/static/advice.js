// Says while a password is being typed what speaks against it. Only advice: the device decides when
// the form is sent, by the same rules. Also puts the suggested passphrase into its field.
"use strict";
(() => {
  const button = document.querySelector("[data-takes]");
  const words = document.querySelector("[data-words]");
  if (button && words) {
    button.addEventListener("click", (event) => {
      const field = document.getElementById(button.dataset.takes);
      event.preventDefault();
      field.value = words.textContent.trim();
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    });
  }
  const line = document.querySelector("[data-advice]");
  if (!line) return;
  const field = document.getElementById(line.dataset.advice);
  const form = field.form;
  const least = Number(line.dataset.least);
  let timer = 0;
  const say = (text, kind) => {
    if (line.textContent !== text) line.textContent = text;
    line.dataset.kind = kind;
  };
  async function ask() {
    const typed = field.value;
    const body = new URLSearchParams({
      token: form.elements.token.value,
      name: line.dataset.name || (form.elements.name ? form.elements.name.value : ""),
      password: typed,
      second: line.dataset.second,
    });
    try {
      const answer = await fetch("/password/check", {
        method: "POST", body, cache: "no-store", credentials: "same-origin", redirect: "error",
      });
      if (!answer.ok) return say("", "");
      const told = await answer.json();
      if (field.value !== typed) return;
      if (told.message) say(`${told.message.replace(/[^.!?]$/, "$&.")} ${told.hint}`, "warn");
      else say(line.dataset.fine, "calm");
    } catch {
      say("", "");
    }
  }
  const advise = () => {
    window.clearTimeout(timer);
    const count = Array.from(field.value.normalize("NFKC")).length;
    if (count === 0) return say("", "");
    if (count < least) {
      const short = line.dataset.short.replace("{count}", count).replace("{least}", least);
      return say(short, "note");
    }
    timer = window.setTimeout(ask, 600);
  };
  field.addEventListener("input", advise);
  advise(); // of what was typed before this script had come
})();
