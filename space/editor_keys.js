// What keys and buttons of a line do beyond writing: moving on, hearing, other texts, a new line after this one.
window.distinctadKeys = function (editor) {
  "use strict";
  const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);  // there Alt, and on Windows Control and Alt, type letters
  const { say, typed, update, setText, setFlag, refuses, drop, isOpen, play, write } = editor;
  const clean = window.distinctadWords.clean;
  const all = () => editor.state().lines;

  function go(at, step) {
    const lines = all();
    for (let next = at + step; next >= 0 && next < lines.length; next += step) {
      if (!lines[next].row.hidden && !lines[next].removed) { lines[next].area.focus(); lines[next].area.select(); return; }
    }
    say(step > 0 ? "That was the last line." : "That was the first line.");
  }
  function nextOpen() {
    const line = all().find(isOpen);
    if (!line) { say("Every line is reviewed."); return; }
    line.row.hidden = false; line.area.focus();
  }
  function hear(at) {
    if (!window.speechSynthesis) { say("This browser has no voice."); return; }
    const line = new SpeechSynthesisUtterance(all()[at].text);
    line.lang = editor.state().doc.language;
    // A browser may have the interface of speech and nothing to speak with.
    line.onerror = (event) => { if (!["canceled", "interrupted"].includes(event.error)) { say("This browser has no voice."); } };
    speechSynthesis.cancel(); speechSynthesis.speak(line);
  }
  function isGone(line) {
    if (line.removed) { say("Line " + line.cue.index + " is removed: put it back before you change its text."); }
    return line.removed;
  }
  function choose(at) {
    const line = all()[at], select = line.row.querySelector("select");
    if (isGone(line)) { return; }
    if (select.value === "") { say("Line " + line.cue.index + ": choose one of its other texts first."); return; }
    setText(at, line.others[Number(select.value)]);
    select.value = "";
    say("Line " + line.cue.index + ": " + line.text);
  }
  function other(at) {
    const line = all()[at], now = line.others.indexOf(line.text);
    if (isGone(line)) { return; }
    if (line.others.length < 2) { say("Line " + line.cue.index + " has no other text."); return; }
    setText(at, line.others[(now + 1) % line.others.length]);
    say(line.text);
  }
  function enter(at, accepts) {
    const line = all()[at];
    if (!clean(line.area.value)) { say("Line " + line.cue.index + " is empty: remove it, or press Escape for its text."); return; }
    typed(at);
    if (accepts && refuses(at)) { return; }
    if (accepts) { setFlag(at, "reviewed", true); }
    go(at, 1);
  }
  function putBack(at) {
    const line = all()[at];
    line.area.value = line.text = line.entered;
    typed(at); update(at);
  }
  function key(event, at) {
    const name = event.key, line = all()[at], alt = event.altKey && !event.ctrlKey, letter = alt && !APPLE && event.code;
    if (name === "Enter") { enter(at, event.ctrlKey || event.metaKey); } else if (alt && name === "ArrowDown") { go(at, 1); } else if (alt && name === "ArrowUp") { go(at, -1); } else if (letter === "KeyP") { play(line.start_s); } else if (letter === "KeyH") { hear(at); } else if (letter === "KeyA") { other(at); } else if (letter === "KeyN") { typed(at); write(line); } else if (alt && name === "Delete") { typed(at); drop(at); } else if (name === "Escape") { putBack(at); } else { return; }
    event.preventDefault();
  }
  return { key, hear, choose, nextOpen };
};
