// What the page's framework leaves out for screen readers: every upload has the same name, a file's link is called by its
// size and its buttons just "Clear" and "Remove this file", a part that opens does not say whether it is open, a group of
// choices has no name, and a message's head is a button around a button. A file that comes or goes takes the button that
// was pressed, and the focus with it, out of the page, and nothing tells. All are made anew as the page changes, so all
// are mended whenever it does.
(function () {
  "use strict";
  const held = new WeakMap();  // by upload: the names of the files that it showed
  let last = null;  // what had the focus last, and the block around it, which stays when that goes
  function put(node, attribute, text) { if (node.getAttribute(attribute) !== text) { node.setAttribute(attribute, text); } }
  function name(node, text) { put(node, "aria-label", text); }
  // Of two files called alike one may come or go: each of `those` makes up for one of `these`.
  function without(these, those) {
    const rest = [...those];
    return these.filter((one) => { const at = rest.indexOf(one); if (at >= 0) { rest.splice(at, 1); } return at < 0; });
  }
  const tell = (list, what) => list.length ? (list.length > 1 ? list.length + " files are " : list[0] + " is ") + what + "." : "";

  // Names an upload's buttons, gives it back the focus that it lost, and gives what there is to say of its files.
  function upload(block, title) {
    const choose = block.querySelector("button.upload-container"), icons = [...block.querySelectorAll(".icon-button")], clear = icons.pop();
    if (choose) { name(choose, title + ": choose or drop a file"); }
    for (const around of icons) { put(around, "tabindex", "-1"); }  // "Add files", which does nothing: the button in it does
    if (clear) { name(clear, "Clear: " + title); }
    for (const button of block.querySelectorAll(".label-clear-button")) { name(button, "Remove " + button.closest("tr").querySelector(".filename").getAttribute("aria-label")); }
    const now = [...block.querySelectorAll(".filename")].map((cell) => cell.getAttribute("aria-label")), before = held.get(block) || now;
    const next = now.length ? clear : choose;
    if (!next) { return ""; }  // files are on their way, or these are to be downloaded
    if (last && last.block === block && !last.node.isConnected && document.activeElement === document.body) { next.focus({ preventScroll: true }); }
    held.set(block, now);
    return tell(without(now, before), "given") + " " + tell(without(before, now), "taken away");
  }
  function mend() {
    const said = [...document.querySelectorAll(".block > label[data-testid=block-label]")].map((label) => upload(label.parentElement, label.textContent.trim()).trim()).filter(Boolean);
    if (said.length) { window.distinctad.say(said.join(" ")); }
    for (const link of document.querySelectorAll("a.download-link[download]")) {
      name(link, "Download " + link.download + ", " + link.textContent.replace(/\s+/g, " ").trim());
    }
    for (const button of document.querySelectorAll("button.label-wrap")) { put(button, "aria-expanded", String(button.classList.contains("open"))); }
    for (const title of document.querySelectorAll("fieldset > [data-testid=block-info]")) { name(title.parentElement, title.textContent.trim()); }
    for (const head of document.querySelectorAll(".toast-header[role=button]")) { head.removeAttribute("role"); head.removeAttribute("tabindex"); }
  }
  document.addEventListener("focusin", (event) => { last = { node: event.target, block: event.target.closest(".block") }; });
  // The framework removes a file when Enter goes down; the click of that same key, or a key that is held, would then press
  // the button that got the focus. Its click alone removes it too.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches(".label-clear-button, .icon-button")) { return; }
    event.stopPropagation();
    if (event.repeat) { event.preventDefault(); }
  }, true);
  new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
}());
