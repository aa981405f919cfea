// Everything works without this file; it keeps what is in progress up to date.
"use strict";

for (const region of document.querySelectorAll("[data-poll]")) {
  const look = async () => {
    const answer = await fetch(region.dataset.poll, { credentials: "same-origin", redirect: "error" });
    if (answer.status < 429 && !answer.ok) return true; // logged out, or gone
    if (!answer.ok) return false;
    const text = await answer.text();
    if (text !== region.dataset.shown) region.innerHTML = text; // escaped by the server, as all of the page is
    region.dataset.shown = text;
    if (answer.headers.get("x-done") !== "yes") return false;
    if (region.dataset.then === "reload") location.reload();
    return true;
  };
  const keepLooking = async () => {
    const ended = await look().catch(() => false); // one request that failed must not be the last
    if (!ended) setTimeout(keepLooking, Number(region.dataset.every || 1000));
  };
  keepLooking();
}

// A map: what a circle holds is shown beside it, for the pointer and for the keyboard.
const near = document.getElementById("near");
if (near) {
  let wanted = "";
  const show = async (event) => {
    const link = event.target.closest(".map a");
    const path = link && `${link.getAttribute("href")}/near`;
    if (!path || path === wanted) return;
    wanted = path;
    const answer = await fetch(path, { credentials: "same-origin", redirect: "error" });
    if (answer.ok && path === wanted) near.innerHTML = await answer.text();
  };
  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => show(event).catch(() => {}));
  }
}
