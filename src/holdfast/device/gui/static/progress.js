// Follows an update. The device restarts in between, so a page that does not answer is expected:
// this one stays where it is, says so, and goes on as soon as there is an answer.
"use strict";
(() => {
  const live = document.querySelector("[data-live]");
  if (!live) return;
  const stage = live.dataset.live;
  const headline = document.querySelector("[data-headline]");
  const sentence = document.querySelector("[data-sentence]");
  const bar = document.querySelector("progress");
  const say = (element, text) => {
    // Only a changed text is announced by screen readers.
    if (element && text && element.textContent !== text) element.textContent = text;
  };
  const again = (after) => window.setTimeout(ask, after);
  async function ask() {
    let answer;
    try {
      const give_up = new AbortController();
      const timer = window.setTimeout(() => give_up.abort(), 4000);
      answer = await fetch("/update/progress", {
        cache: "no-store", credentials: "same-origin", redirect: "error", signal: give_up.signal,
      });
      window.clearTimeout(timer);
    } catch {
      say(sentence, live.dataset.restarting);
      return again(1500);
    }
    if (answer.status === 401) return window.location.assign("/login");
    if (!answer.ok) {
      say(sentence, live.dataset.restarting);
      return again(1500);
    }
    let told;
    try { told = await answer.json(); } catch { return again(1500); }
    if (told.stage !== stage) return window.location.assign("/");
    say(headline, told.headline);
    say(sentence, told.sentence);
    if (bar && told.percent !== null) bar.value = told.percent;
    return again(live.dataset.every ? Number(live.dataset.every) : 1000);
  }
  again(800);
})();
