// Lets whoever types a password see it. Without this script everything works, unseen.
for (const field of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet show";
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-controls", field.id);
  button.textContent = "Show";
  button.addEventListener("click", () => {
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
    field.focus();
  });
  // What is sent is always a password field: browsers do not offer it among texts typed earlier.
  field.form.addEventListener("submit", () => { field.type = "password"; });
  field.after(button);
}
// Counts while a new password is typed, as the server will; nothing is sent for it, and whether the
// password is one that guessers try is said by the server, which decides.
for (const line of document.querySelectorAll("[data-advice]")) {
  const field = document.getElementById(line.dataset.advice);
  const least = Number(line.dataset.least);
  let timer = 0;
  const say = () => {
    const count = Array.from(field.value.normalize("NFKC")).length;
    const text = count < least ? line.dataset.short : line.dataset.fine;
    line.textContent = count ? text.replace("{count}", count).replace("{least}", least) : "";
  };
  field.addEventListener("input", () => {
    window.clearTimeout(timer);
    // A screen reader is not to read out every letter's count.
    timer = window.setTimeout(say, 400);
  });
  say(); // of what was typed before this script had come
}
