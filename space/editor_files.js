// The files that were made: the page offers them until new ones are there, so it says where they are not what is open.
window.distinctadFiles = function (state) {
  "use strict";
  let taken = null, made = null;

  function take() {
    const { id, doc, log } = state();
    taken = doc ? { id: id, film: doc.film.name, log: JSON.stringify(log) } : null;
  }
  function compare() {
    const node = document.getElementById("dad-stale"), { id, log } = state();
    let text = "";
    if (made && made.id !== id) { text = "These files are of the script of " + made.film + ", which is not open now."; }
    if (made && made.id === id && made.log !== JSON.stringify(log)) { text = "These files were made before your last change: make them again to have it in them."; }
    if (node && node.textContent !== text) { node.textContent = text; }  // each is said once
  }
  function done() { made = taken; compare(); }
  return { take, made: done, compare };
};
