// Asks the browser for a passkey when a form marked for it is sent, and puts the answer into it.
// Everything that decides is on the server. webauthn-json.js is part of django-allauth.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  const trouble = form.querySelector("[data-trouble]");
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    trouble.hidden = true;
    try {
      const options = JSON.parse(document.getElementById(form.dataset.options).textContent);
      const ask = form.dataset.passkey === "create" ? webauthnJSON.create : webauthnJSON.get;
      form.elements.credential.value = JSON.stringify(await ask(options));
      form.submit();
    } catch {
      trouble.hidden = false;
    }
  });
}
