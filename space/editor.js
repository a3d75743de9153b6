// The editor: a table of lines over one piece of work. It runs in the page alone; every change goes into a log and, with
// the draft, into this browser's storage (editor_kept.js), so that a reload loses nothing and the server keeps nothing.
// No text of a film, a model or a person ever becomes markup: all of it goes in as textContent or as a value.
window.distinctad = (function () {
  "use strict";
  const W = window.distinctadWords, K = window.distinctadKept, R = window.distinctadRow, make = R.make, clock = R.clock, row = R.row, BREATH = 0.2, NEIGHBOURS = 4;
  const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);  // there Alt, and on Windows Control and Alt, type letters
  const byId = (id) => document.getElementById("dad-" + id);
  const clean = (text) => text.replace(/[\p{C}\p{Z}\s]+/gu, " ").trim();
  let work = null, doc = null, lines = [], log = [], given = new Set(), session = null, timers = {}, wired = false, address = "", fresh = null, busy = "";
  let id = "", dirty = false, stored = false;  // the draft's name; whether the log has what storage lacks; whether it is there

  function later(name, ms, what) { clearTimeout(timers[name]); timers[name] = setTimeout(what, ms); }
  function say(text) { byId("live").textContent = text; later("said", 10000, () => { byId("live").textContent = busy; }); }
  // What the server is at: a long script's files take it seconds and more, in which nothing else of the page would tell
  // that a press was taken. It stands until the end, comes back after other messages, and "" ends it.
  function making(what, end) { busy = what; say(what || end); }

  // ---- keeping
  function keepWork() {
    stored = false;
    try {
      if (K.keep(id, work, log)) { say("The oldest script that this browser kept, with its edits, made room for this one."); }
      stored = true; dirty = false;
    } catch (error) { say("This browser cannot keep the script and your edits: make the text files before you leave the page."); }
  }
  // Only what changed here is written: a tab that was merely open must not put its old log over another's new one.
  function save() {
    if (!dirty) { return; }
    if (!stored) { keepWork(); return; }
    try { K.log(id, log); dirty = false; } catch (error) { keepWork(); }
  }
  function forget() {
    if (!window.confirm("Delete the script and its edits from this browser?")) { return; }
    const others = K.others(id);
    K.forget(id, others > 0 && window.confirm("This browser keeps " + others + " more of your scripts. Delete them too?"));
    work = null; doc = null; lines = []; log = []; id = ""; dirty = false;
    byId("lines").replaceChildren(); document.getElementById("dad").hidden = true;
  }

  // Another tab changed what is kept of this draft. A person edits in one tab at a time: this one follows, unless it has a
  // change of its own that is not kept yet.
  function elsewhere(event) {
    const what = work ? K.heard(event, id) : "";
    if (what === "gone") { stored = false; say("Another tab deleted this script from the browser. Your next change keeps it again."); }
    if (what !== "edits") { return; }
    const here = lines.find((line) => line.area === document.activeElement), list = K.edits(id);
    if (dirty || (here && clean(here.area.value) !== here.logged.text) || !K.belongs(doc, list)) {
      say("This script is open in another tab too. Edit it in one of them: the last change is the one that is kept.");
      return;
    }
    log = list; session = null;
    draw(); sum(); picture();
    const again = here && lines.find((line) => line.cue.index === here.cue.index);
    if (again) { again.area.focus(); }
    say("This script is open in another tab too. What was changed there is shown here.");
  }

  // ---- one line
  const known = () => work.speech.length > 0 || work.gaps.length > 0;  // a silent film is one long gap
  // Where nobody speaks around a line, as far as its draft knows: the rule of distinctad/edited.py, for unknown dialogue.
  function free(line) {
    const from = line.cue.start_s, to = line.cue.end_s, room = line.cue.provenance.room_s;
    if (!room) { return line.added ? [line.start_s, to + line.start_s - from] : [from, to]; }
    return (line.cue.provenance.fit || "").includes("moved") ? [Math.min(room[0], from), Math.max(room[1], to)] : room;
  }
  function limit(at) {
    const line = lines[at], start = line.start_s;
    const gap = (known() ? work.gaps : [free(line)]).find((one) => one[0] - 0.001 <= start && start < one[1]);
    if (!gap) { return start; }
    let to = gap[1];
    if (line.added) { to = Math.min(to, line.cue.end_s + start - line.cue.start_s); }
    for (const next of lines) {  // the next one in time: a line may have been moved past others
      const after = next.start_s > start || (next.start_s === start && next.cue.index > line.cue.index);
      if (after && !next.removed) { to = Math.min(to, next.start_s - BREATH); }
    }
    return Math.max(start, to);
  }
  function budget(takes, room, text) {
    const left = W.wordsIn(work.rate, room) - W.words(text).length;
    if (room < 0.05) { return (known() ? "In dialogue" : "Not known to be free of dialogue") + ": heard in the extended film only."; }
    const rest = takes > room + 0.001 ? "Too long by " + (takes - room).toFixed(1) + " s: heard in the extended film only." : left > 0 ? "Room for about " + left + (left === 1 ? " more word." : " more words.") : "Full.";
    return takes.toFixed(1) + " of " + room.toFixed(1) + " s. " + rest;
  }
  // Where a line is spoken: as it was measured, or as long as its new text is thought to take. Never less than what
  // distinctad/review.py takes for it, so that the server refuses no line that was added here.
  function span(line) {
    const told = line.cue.end_s - line.cue.start_s, least = line.cue.provenance.room_s ? 0.1 : told;
    return [line.start_s, line.start_s + (line.text === line.cue.text ? told : Math.max(least, line.takes))];
  }
  const EMPTY = "Empty. Remove the line if nothing is to be said.";
  function judge(at) {
    const line = lines[at], room = limit(at) - line.start_s, measured = line.text === line.cue.text && line.cue.provenance.spoken_s;
    const takes = measured || W.seconds(work.rate, line.text);
    const before = line.long;
    line.takes = takes;
    line.long = takes > room + 0.001;
    const blank = line.area && !clean(line.area.value) && line.text;  // a neighbour's change judges this line too
    line.budget.textContent = blank ? EMPTY : budget(takes, room, line.text);
    line.budget.classList.toggle("dad-over", line.long);
    return before !== undefined && before !== line.long;
  }
  function explain(at) {
    const first = Math.max(0, at - NEIGHBOURS), near = lines.slice(first, at + NEIGHBOURS + 1);
    const found = W.why(near.map((one) => one.removed ? "" : one.text), near.map((one) => one.bag), given, at - first, NEIGHBOURS);
    show(lines[at], { fresh: found.fresh, said: found.said.map(([word, where]) => [word, where.map((one) => one + first)]) });
  }
  function show(line, found) {
    const fresh = new Set(found.fresh), shown = make("span"), plain = W.normal(line.text);
    let from = 0;
    shown.setAttribute("aria-hidden", "true");
    for (const match of plain.matchAll(W.RUN)) {
      if (!fresh.has(W.fold(match[0]))) { continue; }
      shown.append(plain.slice(from, match.index), make("mark", match[0]));
      from = match.index + match[0].length;
    }
    shown.append(plain.slice(from));
    const spoken = make("span", found.fresh.length ? "New here: " + found.fresh.join(", ") + ". " : "Nothing new against its neighbours. ", "dad-sr");
    const said = found.said.map(([word, where]) => word + " (line " + where.map((at) => lines[at].cue.index).join(", ") + ")");
    const rest = make("small", said.length ? "Said nearby: " + said.slice(0, 6).join("; ") : "");
    line.why.replaceChildren(shown, spoken, " ", rest);
  }
  function mark(at) {
    const line = lines[at];
    line.row.classList.toggle("dad-removed", line.removed);
    line.area.readOnly = line.start.readOnly = line.removed;
    line.box.checked = line.reviewed;
    line.row.querySelector(".dad-n").textContent = line.cue.index + ". " + clock(line.start_s);
    line.area.setAttribute("aria-label", "Text of line " + line.cue.index + " at " + clock(line.start_s));
    line.drop.textContent = line.removed ? "Put back" : "Remove";
    line.drop.setAttribute("aria-label", line.drop.textContent + " line " + line.cue.index);
  }
  function update(at, spoken) {
    const line = lines[at];
    line.bag = line.removed ? new Set() : W.bag(line.text);
    const turned = judge(at);
    explain(at);
    if (turned && spoken) { later("turned", 700, () => say("Line " + line.cue.index + (line.long ? " is too long now." : " fits now."))); }
    later("near" + at, 120, () => {
      for (let other = Math.max(0, at - NEIGHBOURS); other <= Math.min(lines.length - 1, at + NEIGHBOURS); other += 1) {
        if (other !== at) { judge(other); explain(other); }
      }
      sum(); later("picture", 400, picture);
    });
  }

  // ---- the log
  function commit(at, field, value, together) {
    const line = lines[at], before = line.logged[field];
    if (value === before || (field === "text" && value === clean(before))) { return; }
    const last = log[log.length - 1];
    if (together && last && last === session) {
      last.after = value;
      if (last.before === value) { log.pop(); session = null; }
    } else {
      session = { cue: line.cue.index, field: field, before: before, after: value };
      log.push(session);
      if (!together) { session = null; }
    }
    line.logged[field] = value;
    dirty = true;
    later("save", 150, save);
  }
  function typed(at) {
    const line = lines[at], value = clean(line.area.value);
    if (value) { commit(at, "text", value, true); } else if (line.area.value !== line.text) { line.area.value = line.text; judge(at); say("Line " + line.cue.index + ": an empty text is not kept, the old one is back; remove the line if nothing is to be said."); }
  }
  function setText(at, value) {
    session = null;
    lines[at].area.value = lines[at].text = value;
    commit(at, "text", value);
    update(at, true);
  }
  function setFlag(at, field, value) {
    lines[at][field] = value;
    commit(at, field, value);
    mark(at); update(at); sum();
  }
  function drop(at) {
    const line = lines[at];
    setFlag(at, "removed", !line.removed); judgeAll(); sum();
    say("Line " + line.cue.index + (line.removed ? " is removed; the same button puts it back." : " is back."));
  }
  // ---- a person's own line
  function insert(cue) {
    const line = row(cue), behind = lines.findIndex((one) => one.start_s > line.start_s), at = behind < 0 ? lines.length : behind;
    line.mine = true;
    lines.splice(at, 0, line);
    return at;
  }
  const written = (edit) => Object.assign({}, edit.after, { index: edit.cue, characters: [], provenance: { origin: "person", text_from: "person", reviewed: true } });
  function number() { lines.forEach((line, at) => { line.row.dataset.at = at; }); }
  function judgeAll() { lines.forEach((_, at) => judge(at)); }  // the next in time may stand anywhere in the table
  function around(at) {
    judgeAll();
    for (let near = Math.max(0, at - NEIGHBOURS); near <= Math.min(lines.length - 1, at + NEIGHBOURS); near += 1) { explain(near); }
    sum(); picture();
  }
  function add(value) {
    flush();
    const edit = { cue: 1 + lines.reduce((most, line) => Math.max(most, line.cue.index), 0), field: "added", before: false, after: value };
    const at = insert(written(edit)), line = lines[at];
    session = null; log.push(edit); dirty = true; save();
    byId("lines").insertBefore(line.row, at + 1 < lines.length ? lines[at + 1].row : null);
    number(); mark(at); around(at);
    line.area.focus();
    say("Line " + edit.cue + " is added at " + clock(value.start_s) + (line.long ? "; it is too long for its place." : "; it fits."));
  }
  function takeBack(edit) {
    const at = lines.findIndex((line) => line.cue.index === edit.cue);
    lines[at].row.remove(); lines.splice(at, 1);
    save(); number(); around(Math.min(at, lines.length - 1));
    lines[Math.min(at, lines.length - 1)].area.focus();
    say("Line " + edit.cue + " was new and is gone.");
  }
  function setStart(at) {
    const line = lines[at], value = Math.round(Number(line.start.value) * 1000) / 1000;
    if (!(line.start.value !== "" && value >= 0 && value < doc.film.duration_s)) {
      line.start.value = line.start_s;
      say("Line " + line.cue.index + ": give seconds from 0 to " + doc.film.duration_s + ".");
      return;
    }
    line.start_s = value;
    commit(at, "start_s", value);
    mark(at); update(at, true); judgeAll();
  }
  function undo() {
    flush();
    const last = log.pop();
    session = null;
    if (!last) { say("There is nothing to undo."); return; }
    dirty = true;
    if (last.field === "added") { takeBack(last); return; }
    const at = lines.findIndex((line) => line.cue.index === last.cue), line = lines[at];
    line.logged[last.field] = last.before;
    line[last.field] = last.before;
    line.area.value = line.text; line.start.value = line.start_s;
    save(); mark(at); update(at); judgeAll(); sum();
    line.row.hidden = false;
    line.area.focus();
    say("Line " + last.cue + ": the last change is undone.");
  }
  function flush() {
    const at = lines.findIndex((line) => line.area === document.activeElement);
    if (at >= 0) { typed(at); }
    if (work) { save(); }
  }

  // ---- the table
  function draw() {
    lines = doc.cues.map(row);
    const byIndex = new Map(lines.map((line) => [line.cue.index, line]));
    log.forEach((edit) => {
      if (edit.field === "added") { const at = insert(written(edit)); byIndex.set(edit.cue, lines[at]); return; }
      const line = byIndex.get(edit.cue);
      if (line) { line[edit.field] = line.logged[edit.field] = edit.after; line.area.value = line.text; line.start.value = line.start_s; }
    });
    lines.forEach((line) => { line.bag = line.removed ? new Set() : W.bag(line.text); });
    const texts = lines.map((line) => line.removed ? "" : line.text), bags = lines.map((line) => line.bag);
    const rows = document.createDocumentFragment();
    lines.forEach((line, at) => { line.row.dataset.at = at; judge(at); show(line, W.why(texts, bags, given, at, NEIGHBOURS)); mark(at); rows.append(line.row); });
    byId("lines").replaceChildren(rows);
  }
  const changed = (line) => line.text !== line.cue.text || line.start_s !== line.cue.start_s;
  function sum() {
    const count = (test) => lines.filter(test).length, kept = lines.filter((line) => !line.removed);
    const left = count((line) => !line.removed && !line.reviewed);
    byId("sum").textContent = kept.length + " lines, " + count((line) => !line.mine && changed(line)) + " changed, " + count((line) => line.mine && !line.removed) + " added, " + count((line) => line.reviewed && !line.removed) + " reviewed, " + count((line) => line.long && !line.removed) + " too long, " + (lines.length - kept.length) + " removed. " + (left ? "This is an unreviewed machine draft until every line is marked as reviewed." : "Every line is marked as reviewed.");
    later("filter", 50, filter);
  }
  function filter() {
    const how = byId("show").value, here = document.activeElement;
    const wanted = { all: () => true, open: (line) => !line.reviewed && !line.removed, long: (line) => line.long && !line.removed, changed: (line) => line.removed || line.mine || changed(line) }[how];
    lines.forEach((line) => { const hide = !wanted(line) && !line.row.contains(here); if (line.row.hidden !== hide) { line.row.hidden = hide; } });
  }
  function picture() { byId("picture").replaceChildren(R.picture(doc.film.duration_s, work, lines)); }

  // ---- moving, hearing, playing
  function go(at, step) {
    for (let next = at + step; next >= 0 && next < lines.length; next += step) {
      if (!lines[next].row.hidden && !lines[next].removed) { lines[next].area.focus(); lines[next].area.select(); return; }
    }
    say(step > 0 ? "That was the last line." : "That was the first line.");
  }
  function nextOpen() {
    const at = lines.findIndex((line) => !line.reviewed && !line.removed);
    if (at < 0) { say("Every line is reviewed."); return; }
    lines[at].row.hidden = false; lines[at].area.focus();
  }
  function play(at) {
    const film = byId("film");
    if (film.hidden) { say("Upload the film to play it."); return; }
    if (!film.paused) { film.pause(); return; }
    film.currentTime = Math.max(0, lines[at].start_s - 1);
    film.play().catch(() => say("This browser cannot play the film."));
  }
  function hear(at) {
    if (!window.speechSynthesis) { say("This browser has no voice."); return; }
    const line = new SpeechSynthesisUtterance(lines[at].text);
    line.lang = doc.language;
    speechSynthesis.cancel(); speechSynthesis.speak(line);
  }
  function choose(at) {
    const line = lines[at], select = line.row.querySelector("select");
    if (select.value === "") { say("Line " + line.cue.index + ": choose one of its other texts first."); return; }
    setText(at, line.others[Number(select.value)]);
    select.value = "";
    say("Line " + line.cue.index + ": " + line.text);
  }
  function other(at) {
    const line = lines[at], now = line.others.indexOf(line.text);
    if (line.others.length < 2) { say("Line " + line.cue.index + " has no other text."); return; }
    setText(at, line.others[(now + 1) % line.others.length]);
    say(line.text);
  }
  function key(event, at) {
    const name = event.key, line = lines[at], alt = event.altKey && !event.ctrlKey, letter = alt && !APPLE && event.code;
    if (name === "Enter" && !clean(line.area.value)) { say("Line " + line.cue.index + " is empty: remove it, or press Escape for its text."); } else if (name === "Enter") { typed(at); if (event.ctrlKey || event.metaKey) { setFlag(at, "reviewed", true); } go(at, 1); } else if (alt && name === "ArrowDown") { go(at, 1); } else if (alt && name === "ArrowUp") { go(at, -1); } else if (letter === "KeyP") { play(at); } else if (letter === "KeyH") { hear(at); } else if (letter === "KeyA") { other(at); } else if (letter === "KeyN") { typed(at); fresh.open(span(line)[1]); } else if (alt && name === "Delete") { typed(at); drop(at); } else if (name === "Escape") { line.area.value = line.text = line.entered; typed(at); update(at); } else { return; }
    event.preventDefault();
  }
  function wire() {
    if (wired) { return; }
    wired = true;
    const body = byId("lines"), where = (event) => { const row = event.target.closest("tr"); return row ? Number(row.dataset.at) : -1; };
    body.addEventListener("focusin", (event) => { const at = where(event); if (event.target.tagName === "TEXTAREA") { session = null; lines[at].entered = lines[at].text; } });
    body.addEventListener("focusout", (event) => { if (event.target.tagName === "TEXTAREA") { typed(where(event)); session = null; } });
    body.addEventListener("input", (event) => {
      const at = where(event);
      if (event.target.tagName !== "TEXTAREA") { return; }
      const value = clean(event.target.value);
      if (!value) { judge(at); return; }
      lines[at].text = value;
      update(at, true);
      later("typed", 250, () => typed(at));
    });
    body.addEventListener("keydown", (event) => { if (event.target.tagName === "TEXTAREA" && !event.isComposing) { key(event, where(event)); } });
    body.addEventListener("change", (event) => {
      const at = where(event), target = event.target;
      if (target.type === "checkbox") { setFlag(at, "reviewed", target.checked); } else if (target.type === "number") { setStart(at); }
    });
    body.addEventListener("click", (event) => {
      const at = where(event), name = event.target.className;
      if (name === "dad-play") { play(at); } else if (name === "dad-hear") { hear(at); } else if (name === "dad-take") { choose(at); } else if (name === "dad-drop") { drop(at); }
    });
    byId("undo").addEventListener("click", undo);
    byId("next").addEventListener("click", nextOpen);
    byId("forget").addEventListener("click", forget);
    byId("show").addEventListener("change", filter);
    window.addEventListener("pagehide", flush);
    window.addEventListener("storage", elsewhere);
    fresh = window.distinctadNew({ state: () => ({ lines, work, doc }), span, budget, clean, say, add });
  }

  // ---- from and to the server
  function open(data) {
    if (!data || data.format !== "distinctad.work" || !byId("lines")) { return; }
    const found = JSON.parse(data.draft), name = K.identity(data.draft, found.film.sha256);
    const left = stored ? "This browser keeps it with its edits: open its draft again to go on." : "Its edits would be lost.";
    if (work && name !== id && log.length && !window.confirm("Leave the script that you have edited? " + left)) { return; }
    flush();
    const kept = name === id ? log : earlier(name), brought = data.edits.slice();
    const goOn = kept.length && JSON.stringify(kept) !== JSON.stringify(brought) && K.belongs(found, kept) &&
      window.confirm("You have edited this very script in this browser (" + kept.length + " changes). Go on with them? Otherwise they are lost.");
    begin(data, found, name, goOn ? kept : brought);
    keepWork();
  }
  function earlier(name) { try { return K.edits(name); } catch (error) { return []; } }
  function begin(data, found, name, edits) {
    work = data; doc = found; id = name; log = edits; session = null; dirty = false; stored = true;
    given = W.nameWords(doc.cast.map((person) => person.name));
    byId("title").textContent = "Script of " + doc.film.name;
    byId("lines").lang = doc.language;
    byId("note").textContent = doc.review + ". Times are those of: " + work.rate.voice + (work.rate.voice.startsWith("assumed") ? "." : ", a synthetic voice.") +
      (known() ? "" : " The dialogue is unknown: a line fits where the draft says that nobody speaks. Open the script again with subtitles to mend that.");
    wire(); draw(); sum(); picture();
    document.getElementById("dad").hidden = false;
    film(address);
  }
  function take() { flush(); return work ? Object.assign({}, work, { edits: log }) : null; }
  function film(source) {
    address = source || "";
    const node = byId("film");
    if (!node) { return; }
    node.hidden = byId("new-here").hidden = !address; byId("no-film").hidden = Boolean(address);
    if (address && node.getAttribute("src") !== address) { node.src = address; } else if (!address) { node.removeAttribute("src"); }
  }
  function restore() {
    try {
      const kept = K.read();
      if (!kept || !byId("lines")) { return; }
      const found = JSON.parse(kept.work.draft), name = K.identity(kept.work.draft, found.film.sha256), fits = K.belongs(found, kept.edits);
      if (kept.work.format !== "distinctad.work" || (kept.id && kept.id !== name)) { throw new Error("no work of this page"); }
      begin(kept.work, found, name, fits ? kept.edits : []);
      if (!kept.id) { keepWork(); if (stored && fits) { K.retire(); } }
      if (!fits) { say("The edits that this browser kept belong to another draft: they are left out."); }
    } catch (error) { say("The script that this browser kept cannot be read."); }
  }
  return { open, take, making, film, restore, close: (list) => W.close(list) };
}());
