// What the page's framework leaves out for screen readers: every upload has the same name, and a message's head is a
// button around a button. Both are made anew as the page changes, so both are mended whenever it does.
(function () {
  "use strict";
  function mend() {
    for (const button of document.querySelectorAll(".block > button.upload-container")) {
      const label = button.parentElement.querySelector("label[data-testid=block-label]"), name = (label ? label.textContent.trim() : "") + ": choose or drop a file";
      if (label && button.getAttribute("aria-label") !== name) { button.setAttribute("aria-label", name); }
    }
    for (const head of document.querySelectorAll(".toast-header[role=button]")) { head.removeAttribute("role"); head.removeAttribute("tabindex"); }
  }
  new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true });
}());
