// Everything works without this file; it keeps what is in progress up to date.
"use strict";

for (const region of document.querySelectorAll("[data-poll]")) {
  const look = async () => {
    const answer = await fetch(region.dataset.poll, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    const text = await answer.text();
    if (text !== region.dataset.shown) region.innerHTML = text; // escaped by the server, as all of the page is
    region.dataset.shown = text;
    if (answer.headers.get("x-done") === "yes") {
      if (region.dataset.then === "reload") location.reload();
      return;
    }
    setTimeout(() => look().catch(() => setTimeout(look, 5000)), 1000);
  };
  look().catch(() => {});
}
