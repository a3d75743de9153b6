// What the page's framework leaves out for screen readers: every upload has the same name, a file's link is called by its
// size and its button just "Clear", and a message's head is a button around a button. All are made anew as the page
// changes, so all are mended whenever it does.
(function () {
  "use strict";
  function name(node, text) { if (node.getAttribute("aria-label") !== text) { node.setAttribute("aria-label", text); } }
  function mend() {
    for (const button of document.querySelectorAll(".block > button.upload-container")) {
      const label = button.parentElement.querySelector("label[data-testid=block-label]");
      if (label) { name(button, label.textContent.trim() + ": choose or drop a file"); }
    }
    for (const link of document.querySelectorAll("a.download-link[download]")) {
      name(link, "Download " + link.download + ", " + link.textContent.replace(/\s+/g, " ").trim());
    }
    for (const button of document.querySelectorAll(".block button[aria-label^=Clear]")) {
      const label = button.closest(".block").querySelector("label[data-testid=block-label]");
      if (label) { name(button, "Clear: " + label.textContent.trim()); }
    }
    for (const head of document.querySelectorAll(".toast-header[role=button]")) { head.removeAttribute("role"); head.removeAttribute("tabindex"); }
  }
  new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true });
}());
