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
