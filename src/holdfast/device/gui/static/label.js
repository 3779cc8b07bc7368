// Takes the set-up code out of the address that the label's QR code leads to. What stands behind
// "#" is never sent to anybody; it is removed from the address at once.
"use strict";
const field = document.getElementById("code");
const take = () => {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (field && code && !field.value) field.value = code.slice(0, 64);
  if (location.hash.includes("code=")) history.replaceState(null, "", location.pathname);
};
take();
// Where the page was open already, the browser does not load it again.
window.addEventListener("hashchange", take);
