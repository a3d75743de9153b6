// The scripts that this browser keeps, as a list: each can be opened or deleted, also while no script is open.
window.distinctadScripts = function (editor) {
  "use strict";
  const K = window.distinctadKept, make = window.distinctadRow.make;
  const byId = (id) => document.getElementById("dad-kept" + id);
  const count = (number) => number === 0 ? "no edits" : number + (number === 1 ? " edit" : " edits");
  const when = (at) => at ? "changed " + new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "";
  const about = (one) => [count(one.edits), when(one.at)].filter(Boolean).join(", ");
  const title = (one) => one.film === null ? "A script that cannot be read" : one.film;
  function kept() { try { return K.list(); } catch (error) { return []; } }

  function button(text, what, one) {
    const node = make("button", text, "dad-kept-" + what);
    node.type = "button"; node.dataset.id = one.id;
    // Two scripts may be of one film: what is said of them tells them apart.
    node.setAttribute("aria-label", text + ": " + title(one) + ", " + about(one));
    return node;
  }
  function item(one) {
    const node = make("li"), acts = make("span", "", "dad-kept-acts"), open = one.id === editor.current();
    node.append(make("span", title(one), "dad-kept-film"), make("span", about(one) + (open ? ", open now" : ""), "dad-kept-about"));
    if (one.film !== null && !open) { acts.append(button("Open this script", "open", one)); }
    acts.append(button("Delete", "delete", one));
    node.append(acts);
    return node;
  }
  // Made anew at every change; the focus stays on the button that it was on.
  function draw() {
    if (!byId("")) { return; }
    const here = document.activeElement, list = kept(), mine = byId("").contains(here) ? here : null;
    byId("").hidden = !list.length;
    byId("-title").textContent = "Scripts kept in this browser (" + list.length + ")";
    byId("-list").replaceChildren(...list.map(item));
    if (mine && !mine.isConnected) { focus((one) => one.dataset.id === mine.dataset.id && one.className === mine.className); }
  }
  function focus(test) {
    const found = [...byId("-list").querySelectorAll("button")].find(test);
    (found || byId("-title")).focus();
  }
  // Where the focus goes when what had it is gone.
  function rest() { (byId("").hidden ? editor.title() || document.getElementById("describe") : byId("-title")).focus(); }
  function remove(id) {
    const list = kept(), at = list.findIndex((one) => one.id === id);
    if (at < 0 || !window.confirm("Delete the script of " + title(list[at]) + " (" + about(list[at]) + ") from this browser?")) { return; }
    const note = editor.remove(id);
    draw();
    const next = list[at + 1] || list[at - 1];
    if (byId("").hidden) { rest(); } else { focus((one) => next && one.dataset.id === next.id && one.className === "dad-kept-delete"); }
    editor.say("The script of " + title(list[at]) + " is deleted from this browser." + note);
  }

  byId("-list").addEventListener("click", (event) => {
    if (event.target.className === "dad-kept-open") { editor.open(event.target.dataset.id); }
    if (event.target.className === "dad-kept-delete") { remove(event.target.dataset.id); }
  });
  window.addEventListener("storage", (event) => { if (K.ours(event)) { draw(); } });
  return { draw, rest, show: () => { draw(); byId("-box").open = !byId("").hidden; } };
};
