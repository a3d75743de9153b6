// A new line: a place, a text, its budget while it is typed, and a refusal in one line where somebody speaks already.
// The rules are those of distinctad/added.py; a text whose length nobody measured counts with the seconds predicted.
window.distinctadNew = function (editor) {
  "use strict";
  const W = window.distinctadWords, SHORTEST = 0.05, TOUCH = 0.001, ROOM = 1;
  const byId = (id) => document.getElementById("dad-new-" + id), FIELDS = ["start", "end", "text"];
  const number = (node) => node.value.trim() === "" ? NaN : Math.round(Number(node.value) * 1000) / 1000;
  const overlap = (a, b, c, d) => Math.min(b, d) - Math.max(a, c) > TOUCH;
  const short = (text) => text.length > 40 ? text.slice(0, 40) + "…" : text;

  // What is taken: by lines, and by dialogue (where only gaps are known, by everything between them).
  function taken() {
    const { lines, work } = editor.state(), list = [];
    lines.filter((line) => !line.removed).forEach((line) => list.push([...editor.span(line), "line " + line.cue.index]));
    work.speech.forEach(([from, to, text]) => list.push([from, to, "the dialogue “" + short(text) + "”"]));
    if (!work.speech.length && work.gaps.length) {
      let from = 0;
      for (const gap of work.gaps) { list.push([from, gap[0], "dialogue"]); from = gap[1]; }
      list.push([from, editor.state().doc.film.duration_s, "dialogue"]);
    }
    return list.filter(([from, to]) => to > from).sort((a, b) => a[0] - b[0]);
  }
  // The first free stretch of at least a second from a time on, else from the film's start; null if there is none.
  function free(from) {
    const { work, doc } = editor.state(), end = doc.film.duration_s, list = taken();
    const gaps = work.gaps.length ? work.gaps : [[0, end]];
    const search = (since) => {
      for (const [a, b] of gaps) {
        let at = Math.max(a, since);
        for (const [c, d] of list) {
          if (c - at >= ROOM || c >= b) { break; }
          if (d > at) { at = d; }
        }
        const next = list.find(([c]) => c >= at), to = Math.min(b, next ? next[0] : end);
        if (to - at >= ROOM) { return [Math.ceil(at * 10 - 1e-6) / 10, Math.floor(to * 10 + 1e-6) / 10]; }
      }
      return null;
    };
    return search(from) || search(0);
  }
  function place(from) {
    const found = free(from);
    if (!found) { refuse("No stretch of a second is free: remove a line, or choose a place by hand.", byId("start")); return; }
    byId("start").value = found[0]; byId("end").value = found[1];
    keep();
    const { work } = editor.state(), sure = work.speech.length || work.gaps.length;
    editor.say((found[0] < from - TOUCH ? "No stretch of a second is free after " + from.toFixed(1) + " seconds. " : "") + "Free from " + found[0] + " to " + found[1] + " seconds" + (sure ? "." : " of other lines; the dialogue is unknown."));
  }

  // ---- judging
  function wrong() {
    const from = number(byId("start")), to = number(byId("end")), length = editor.state().doc.film.duration_s;
    if (!(from >= 0 && from < length)) { return ["Start: give seconds from 0 to " + length + ".", "start"]; }
    if (!(to - from >= SHORTEST && to <= length)) { return ["End: give seconds after the start, up to " + length + ".", "end"]; }
    const other = taken().find(([a, b]) => overlap(from, to, a, b));
    if (other) { return [from + " to " + to + " s overlaps " + other[2] + " (" + other[0].toFixed(1) + " to " + other[1].toFixed(1) + " s): choose another start or end.", "start"]; }
    return W.clean(byId("text").value) ? null : ["Text: write what is to be said.", "text"];
  }
  function show() {
    const from = number(byId("start")), to = number(byId("end")), text = W.clean(byId("text").value);
    byId("said").textContent = "";
    FIELDS.forEach((name) => byId(name).setAttribute("aria-invalid", "false"));
    byId("budget").textContent = to > from ? editor.budget(W.seconds(editor.state().work.rate, text), to - from) : "Give a start and an end.";
    byId("budget").classList.toggle("dad-over", to > from && W.seconds(editor.state().work.rate, text) > to - from + TOUCH);
  }
  // What is written is kept with its script, so that neither a reload loses it nor another script gets it.
  function keep() {
    show();
    editor.keep(FIELDS.map((name) => byId(name).value));
  }
  function fill(list) {
    FIELDS.forEach((name, at) => { byId(name).value = list[at] || ""; });
    if (list.length) { byId("box").open = true; }
    show();
  }
  function typing(event) {
    const { value, maxLength } = byId("text");
    if (event.target === byId("text") && value.length >= maxLength) { editor.say("The new line is full: a text holds up to " + maxLength + " characters, and what was more is cut off."); }
    keep();
  }
  function refuse(text, field) {
    byId("said").textContent = text;
    field.setAttribute("aria-invalid", "true");
    field.focus();
    editor.say(text);
  }
  function add(event) {
    event.preventDefault();
    const found = wrong();
    if (found) { refuse(found[0], byId(found[1])); return; }
    const line = { start_s: number(byId("start")), end_s: number(byId("end")), text: W.clean(byId("text").value) };
    editor.add(line);
    fill([]); keep();
  }
  function open(from) {
    byId("box").open = true;
    place(from);
    byId("text").focus();
  }

  byId("form").addEventListener("submit", add);
  byId("form").addEventListener("input", typing);
  byId("find").addEventListener("click", () => { const from = number(byId("start")), to = number(byId("end")); place(to > from ? to : from >= 0 ? from : 0); });
  byId("here").addEventListener("click", () => place(document.getElementById("dad-film").currentTime));
  byId("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing && event.keyCode !== 229) { add(event); } });
  return { open, fill };
};
