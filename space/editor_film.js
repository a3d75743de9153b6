// The film that was given: played beside the script, and held against the film that the script was made for. Only the
// server can be sure, by the film's sha256; what the page knows, name and length, tells a person long before an export.
window.distinctadFilm = function (editor) {
  "use strict";
  const NEAR = 0.5;  // seconds; two programs may measure one film so differently
  const byId = (id) => document.getElementById("dad-" + id), clock = window.distinctadRow.clock;
  let address = "", names = [], note = "";

  // `seconds`: NaN while nobody knows. Two names: the server leaves out some signs of the visitor's.
  function differs(film, seconds) {
    const given = "The film given" + (names.length ? ", “" + names[0] + "”, " : " "), wanted = "“" + film.name + "”";
    if (seconds > 0 && Math.abs(seconds - film.duration_s) > NEAR) {
      return given + "is not the film of this script: it lasts " + clock(seconds) + ", and the script was made for " + wanted + ", which lasts " + clock(film.duration_s) + ".";
    }
    if (!names.length || names.includes(film.name)) { return ""; }
    return given + "has another name than the script's film, " + wanted + (seconds > 0 ? ", and is as long: it may be the same film." : ": see that it is the same film.");
  }
  // Said once for each film and script, and shown for as long as it is so.
  function compare() {
    const node = byId("film"), { doc } = editor.state();
    const ready = node.readyState > 0 && node.getAttribute("src") === address && Number.isFinite(node.duration);
    const found = doc && address ? differs(doc.film, ready ? node.duration : NaN) : "";
    const same = ready && found && Math.abs(node.duration - doc.film.duration_s) <= NEAR;  // then a mild word is enough
    byId("other-film").hidden = !found; byId("other-film").textContent = found;
    byId("other-film").classList.toggle("dad-over", !same);
    if (found && found !== note) { editor.say(found); }
    note = found;
  }
  function show() {
    const node = byId("film");
    if (!node) { return; }
    node.hidden = byId("new-here").hidden = !address; byId("no-film").hidden = Boolean(address);
    if (address && node.getAttribute("src") !== address) { node.src = address; } else if (!address) { node.removeAttribute("src"); }
    node.onloadedmetadata = compare;
    compare();
  }
  function give(source, called) {
    address = source || ""; names = (called || []).filter(Boolean);
    show();
  }
  function play(start) {
    const film = byId("film");
    if (film.hidden) { editor.say("Upload the film to play it."); return; }
    if (!film.paused) { film.pause(); return; }
    film.currentTime = Math.max(0, start - 1);
    film.play().catch(() => editor.say("This browser cannot play the film."));
  }
  return { give, show, compare, play, note: () => note };
};
