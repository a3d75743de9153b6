// The editor: a table of lines over one piece of work. It runs in the page alone; every change goes into a log and, with
// the draft, into this browser's storage (editor_kept.js), so that a reload loses nothing and the server keeps nothing.
// No text of a film, a model or a person ever becomes markup: all of it goes in as textContent or as a value.
window.distinctad = (function () {
  "use strict";
  const W = window.distinctadWords, K = window.distinctadKept, R = window.distinctadRow, make = R.make, clock = R.clock, row = R.row, NEIGHBOURS = 4;
  const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);  // there Alt, and on Windows Control and Alt, type letters
  const byId = (id) => document.getElementById("dad-" + id);
  const clean = (text) => text.replace(/[\p{C}\p{Z}\s]+/gu, " ").trim();
  let work = null, doc = null, lines = [], log = [], given = new Set(), session = null, timers = {}, wired = false, fresh = null, busy = "";
  const { known, judge, budget, span, told, unsaid } = window.distinctadJudge(() => ({ work, doc, lines }), clean);
  const F = window.distinctadFilm({ state: () => ({ doc }), say });
  let pressed = false, shelf = null;  // whether a pointer is down; the list of kept scripts
  let id = "", dirty = false;  // the draft's name; whether the log has what storage lacks
  let stored = false, refused = false;  // whether storage has it; whether storage had no room for it

  function later(name, ms, what) { clearTimeout(timers[name]); timers[name] = setTimeout(what, ms); }
  function say(text) { byId("live").textContent = text; later("said", 10000, () => { byId("live").textContent = busy; }); }
  // What the server is at: a long script's files take it seconds and more, in which nothing else of the page would tell
  // that a press was taken. It stands until the end, comes back after other messages, and "" ends it.
  function making(what, end) { busy = what; say(what || end); }

  // ---- keeping
  const UNKEPT = "This browser does not keep it: it would be lost.";
  function keepWork() {
    const before = refused;
    stored = refused = false;
    try { K.keep(id, work, log); stored = true; dirty = false; } catch (error) {
      refused = true;
      byId("unkept").textContent = K.noRoom(id);
      if (!before) { say(byId("unkept").textContent); }  // not over what every later edit has to say
    }
    byId("unkept").hidden = !refused;
    scripts().draw();
  }
  // Only what changed here is written: a tab that was merely open must not put its old log over another's new one.
  function save() {
    if (!dirty) { return; }
    if (!stored) { keepWork(); return; }
    try { K.log(id, log); dirty = false; scripts().draw(); } catch (error) { keepWork(); }
  }
  function forget() {
    if (!window.confirm("Delete the script and its edits from this browser?")) { return; }
    const others = K.others(id);
    K.forget(id, others > 0 && window.confirm("This browser keeps " + others + " more of your scripts. Delete them too?"));
    leave();
    scripts().show(); scripts().rest();
    say("The script is deleted from this browser.");
  }
  function leave() {
    work = null; doc = null; lines = []; log = []; id = ""; dirty = stored = false;
    byId("lines").replaceChildren(); document.getElementById("dad").hidden = true;
    F.compare();
  }

  // ---- the list of kept scripts
  function scripts() {
    if (!shelf) { shelf = window.distinctadScripts({ current: () => id, open: switchTo, remove, say, title: () => work && byId("title") }); }
    return shelf;
  }
  // Gives what there is to say of the open script: one that had no room has it now, perhaps.
  function remove(one) {
    if (one === id) { K.forget(one, false); leave(); } else { K.drop(one); }
    if (!work || !refused) { return ""; }
    keepWork();
    return stored ? " The open script is kept now." : " The open script still cannot be kept.";
  }
  function switchTo(one) {
    flush();
    if (work && !stored && (log.length || refused) && !window.confirm("Leave the script of " + doc.film.name + "? " + UNKEPT)) { return; }
    const note = reopen(() => K.get(one));
    if (note === null) { return; }
    K.here(one); byId("kept-box").open = false; scripts().draw();
    byId("title").focus();
    say(["The script of " + doc.film.name + " is open, with " + (log.length === 1 ? "1 edit." : log.length + " edits."), note, F.note()].filter(Boolean).join(" "));
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
  function explain(at) {
    const first = Math.max(0, at - NEIGHBOURS), near = lines.slice(first, at + NEIGHBOURS + 1);
    const found = W.why(near.map((one) => one.removed ? "" : one.text), near.map((one) => one.bag), given, at - first, NEIGHBOURS);
    R.show(lines[at], found.fresh, found.said.map(([word, where]) => [word, where.map((one) => lines[one + first].cue.index)]));
  }
  function update(at, spoken) {
    const line = lines[at];  // not its place, which another line's move may change while a timer runs
    line.bag = line.removed ? new Set() : W.bag(line.text);
    const silent = line.silent, turned = judge(line);
    if (silent !== line.silent) { judgeAll(); }  // a placeholder that is filled takes room from the line before it
    explain(at);
    if (turned && spoken && !line.removed) { later("turned", 700, () => say("Line " + line.cue.index + (line.long ? " is too long now." : " fits now."))); }
    later("near" + line.cue.index, 120, () => {
      const here = lines.indexOf(line);
      if (here < 0) { return; }
      explainNear(here);
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
    if (value) { commit(at, "text", value, true); } else if (line.area.value !== line.text) { line.area.value = line.text; judge(line); say("Line " + line.cue.index + ": an empty text is not kept, the old one is back; remove the line if nothing is to be said."); }
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
    R.mark(lines[at]); update(at); sum();
  }
  function refuses(at) {
    const no = unsaid(lines[at]) && !lines[at].reviewed;
    if (no) { say("Line " + lines[at].cue.index + " says nothing yet: write its text, or remove it."); }
    return no;
  }
  function drop(at) {
    const line = lines[at];
    setFlag(at, "removed", !line.removed);
    const turned = judgeAll();
    sum();
    say("Line " + line.cue.index + (line.removed ? " is removed; the same button puts it back." : " is back.") + told(turned));
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
  // The next in time may stand anywhere in the table; gives the lines that turned too long, or fit again.
  function judgeAll() { return lines.filter((line) => judge(line)); }
  function explainNear(at) { for (let near = Math.max(0, at - NEIGHBOURS); near <= Math.min(lines.length - 1, at + NEIGHBOURS); near += 1) { explain(near); } }
  function around(at) {
    const turned = judgeAll();
    explainNear(at); sum(); picture();
    return turned;
  }
  function add(value) {
    flush();
    const edit = { cue: 1 + lines.reduce((most, line) => Math.max(most, line.cue.index), 0), field: "added", before: false, after: value };
    const at = insert(written(edit)), line = lines[at];
    session = null; log.push(edit); dirty = true; save();
    byId("lines").insertBefore(line.row, at + 1 < lines.length ? lines[at + 1].row : null);
    number(); R.mark(line);
    const turned = around(at).filter((one) => one !== line);
    line.area.focus();
    say("Line " + edit.cue + " is added at " + clock(value.start_s) + (line.long ? "; it is too long for its place." : "; it fits.") + told(turned));
  }
  function takeBack(edit) {
    const at = lines.findIndex((line) => line.cue.index === edit.cue);
    lines[at].row.remove(); lines.splice(at, 1);
    save(); number();
    const turned = around(Math.min(at, lines.length - 1));
    lines[Math.min(at, lines.length - 1)].area.focus();
    say("Line " + edit.cue + " was new and is gone." + told(turned));
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
    R.mark(line);
    say(moved(line, "Line " + line.cue.index + " starts at " + clock(value)));
    // Not at once: this may be the press on another line's button, and a row that went away now would take the click.
    later("order", 0, order);
  }
  // Where a line with a new time stands now, and which lines turned too long or fit again for it.
  function moved(line, said) {
    const turned = judgeAll(), at = lines.indexOf(line), list = R.inTime(lines), now = list.indexOf(line);
    update(at);
    return said + (now === at ? "" : now ? ", after line " + list[now - 1].cue.index : ", before all others") + "." + told(turned);
  }
  // Rows in order of time. The row with the focus stays where it is and the others go around it.
  function order() {
    if (pressed || !doc) { return; }
    const sorted = R.inTime(lines), from = sorted.map((line, at) => line === lines[at] ? -1 : at).filter((at) => at >= 0);
    if (!from.length) { return; }
    const here = document.activeElement;
    lines = sorted;
    R.arrange(lines, here); number();
    [from[0], from[from.length - 1]].forEach(explainNear);
    if (byId("lines").contains(here)) { here.scrollIntoView({ block: "nearest" }); }
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
    save(); R.mark(line);
    const said = moved(line, "Line " + last.cue + ": the last change is undone");
    sum(); order();
    line.row.hidden = false;
    line.area.focus();
    say(said);
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
    lines = R.inTime(lines);
    lines.forEach((line) => { line.bag = line.removed ? new Set() : W.bag(line.text); });
    const rows = document.createDocumentFragment();
    lines.forEach((line, at) => { line.row.dataset.at = at; judge(line); explain(at); R.mark(line); rows.append(line.row); });
    byId("lines").replaceChildren(rows);
  }
  const changed = (line) => line.text !== line.cue.text || line.start_s !== line.cue.start_s;
  const isOpen = (line) => !line.removed && (!line.reviewed || unsaid(line));  // nobody accepts what says nothing
  function sum() {
    const count = (test) => lines.filter(test).length, kept = lines.filter((line) => !line.removed);
    const left = count(isOpen);
    byId("sum").textContent = kept.length + " lines, " + count((line) => !line.mine && changed(line)) + " changed, " + count((line) => line.mine && !line.removed) + " added, " + count((line) => line.reviewed && !line.removed) + " reviewed, " + count((line) => line.long && !line.removed) + " too long, " + (lines.length - kept.length) + " removed. " + (left ? "This is an unreviewed machine draft until every line is marked as reviewed." : "Every line is marked as reviewed.");
    later("filter", 50, filter);
  }
  function filter() {
    const how = byId("show").value, here = document.activeElement;
    const wanted = { all: () => true, open: isOpen, long: (line) => line.long && !line.removed, changed: (line) => line.removed || line.mine || changed(line) }[how];
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
    const at = lines.findIndex(isOpen);
    if (at < 0) { say("Every line is reviewed."); return; }
    lines[at].row.hidden = false; lines[at].area.focus();
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
    if (name === "Enter" && !clean(line.area.value)) { say("Line " + line.cue.index + " is empty: remove it, or press Escape for its text."); } else if (name === "Enter") { typed(at); const accepts = event.ctrlKey || event.metaKey; if (!accepts || !refuses(at)) { if (accepts) { setFlag(at, "reviewed", true); } go(at, 1); } } else if (alt && name === "ArrowDown") { go(at, 1); } else if (alt && name === "ArrowUp") { go(at, -1); } else if (letter === "KeyP") { F.play(lines[at].start_s); } else if (letter === "KeyH") { hear(at); } else if (letter === "KeyA") { other(at); } else if (letter === "KeyN") { typed(at); fresh.open(span(line)[1]); } else if (alt && name === "Delete") { typed(at); drop(at); } else if (name === "Escape") { line.area.value = line.text = line.entered; typed(at); update(at); } else { return; }
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
      if (!value) { judge(lines[at]); return; }
      lines[at].text = value;
      update(at, true);
      const line = lines[at];
      later("typed", 250, () => { if (lines.includes(line)) { typed(lines.indexOf(line)); } });
    });
    body.addEventListener("keydown", (event) => { if (event.target.tagName === "TEXTAREA" && !event.isComposing) { key(event, where(event)); } });
    body.addEventListener("change", (event) => {
      const at = where(event), target = event.target;
      if (target.type === "checkbox") { target.checked = !refuses(at) && target.checked; setFlag(at, "reviewed", target.checked); } else if (target.type === "number") { setStart(at); }
    });
    body.addEventListener("click", (event) => {
      const at = where(event), name = event.target.className;
      if (name === "dad-play") { F.play(lines[at].start_s); } else if (name === "dad-hear") { hear(at); } else if (name === "dad-take") { choose(at); } else if (name === "dad-drop") { drop(at); }
    });
    window.addEventListener("pointerdown", () => { pressed = true; }, true);
    ["pointerup", "pointercancel", "keydown"].forEach((name) => window.addEventListener(name, () => { if (pressed) { pressed = false; later("order", 0, order); } }, true));
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
    const left = stored ? "This browser keeps it with its edits, in the list of kept scripts." : UNKEPT;
    if (work && name !== id && (log.length || refused) && !window.confirm("Leave the script of " + doc.film.name + "? " + left)) { return; }
    flush();
    const kept = name === id ? log : earlier(name), brought = data.edits.slice();
    const goOn = kept.length && JSON.stringify(kept) !== JSON.stringify(brought) && K.belongs(found, kept) &&
      window.confirm("You have edited this very script in this browser (" + kept.length + " changes). Go on with them? Otherwise they are lost.");
    begin(data, found, name, goOn ? kept : brought);
    keepWork();
  }
  function earlier(name) { try { return K.edits(name); } catch (error) { return []; } }
  function begin(data, found, name, edits) {
    work = data; doc = found; id = name; log = edits; session = null; dirty = refused = false; stored = true; byId("unkept").hidden = true;
    given = W.nameWords(doc.cast.map((person) => person.name));
    byId("title").textContent = "Script of " + doc.film.name;
    byId("lines").lang = doc.language;
    byId("note").textContent = doc.review + ". Times are those of: " + work.rate.voice + (work.rate.voice.startsWith("assumed") ? "." : ", a synthetic voice.") +
      (known() ? "" : " The dialogue is unknown: a line fits where the draft says that nobody speaks. Open the script again with subtitles to mend that.");
    wire(); draw(); sum(); picture();
    document.getElementById("dad").hidden = false;
    F.show();
  }
  function take() { flush(); return work ? Object.assign({}, work, { edits: log }) : null; }
  // Show a kept script, which `get` reads: gives what there is to say of it, null if there is none or it cannot be read.
  function reopen(get) {
    try {
      const kept = get();
      if (!kept) { return null; }
      const found = JSON.parse(kept.work.draft), name = K.identity(kept.work.draft, found.film.sha256), fits = K.belongs(found, kept.edits);
      if (kept.work.format !== "distinctad.work" || (kept.id && kept.id !== name)) { throw new Error("no work of this page"); }
      begin(kept.work, found, name, fits ? kept.edits : []);
      if (!kept.id) { keepWork(); if (stored && fits) { K.retire(); } }
      return fits ? "" : "The edits that this browser kept belong to another draft: they are left out.";
    } catch (error) { say("The script that this browser kept cannot be read."); }
    return null;
  }
  function restore() {
    if (!byId("lines")) { return; }
    const note = reopen(K.read);
    if (note) { say(note); }
    if (note === null) { scripts().show(); } else { scripts().draw(); }
  }
  return { open, take, making, film: F.give, restore, close: (list) => W.close(list) };
}());
