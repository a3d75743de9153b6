// The editor: a table of lines over one piece of work. It runs in the page alone; every change goes into a log and, with
// the draft, into this browser's storage (editor_kept.js), so that a reload loses nothing and the server keeps nothing.
// No text of a film, a model or a person ever becomes markup: all of it goes in as textContent or as a value.
window.distinctad = (function () {
  "use strict";
  const W = window.distinctadWords, K = window.distinctadKept, R = window.distinctadRow, clock = R.clock, row = (cue) => R.row(cue, doc.language), NEIGHBOURS = 4;
  const byId = (id) => document.getElementById("dad-" + id);
  const clean = W.clean;
  let work = null, doc = null, lines = [], log = [], given = new Set(), session = null, timers = {}, fresh = null, keys = null, busy = "";
  const { known, judge, budget, span, told, unsaid } = window.distinctadJudge(() => ({ work, doc, lines }));
  const F = window.distinctadFilm({ state: () => ({ doc }), say });
  const arrivals = window.distinctadArrivals({ state: () => ({ work, doc, id, log, stored, refused: refused || loose }), draw: () => scripts().draw(), say });
  const files = window.distinctadFiles(() => ({ id, doc, log }));
  let pressed = false, shelf = null;  // whether a pointer is down; the list of kept scripts
  let id = "", dirty = false;  // the draft's name; whether the log has what storage lacks
  let stored = false, refused = false;  // whether storage has it; whether storage had no room for it
  let loose = false;  // whether storage had no room for the new line that is being written

  function later(name, ms, what) { clearTimeout(timers[name]); timers[name] = setTimeout(what, ms); }
  function say(text) { byId("live").textContent = text; later("said", 10000, () => { byId("live").textContent = busy; }); }
  // What the server is at: a long script's files take it seconds and more, in which nothing else of the page would tell
  // that a press was taken. It stands until the end, comes back after other messages, and "" ends it.
  function making(what, end) { busy = what; say(what || end); }

  // ---- keeping
  function keepWork() {
    stored = refused = false;
    try { K.keep(id, work, log); K.here(id); stored = true; dirty = false; } catch (error) { refused = true; }
    unkept();
    scripts().draw();
  }
  function unkept() {
    const node = byId("unkept"), lost = refused || loose;
    if (lost) { node.textContent = K.noRoom(id); }
    if (lost && node.hidden) { say(node.textContent); }  // not over what every later edit has to say
    node.hidden = !lost;
  }
  function keepForm(list) {
    try { K.keepForm(id, list); loose = false; } catch (error) { loose = true; }
    unkept();
  }
  // Only what changed here is written, and on top of what another tab wrote since: no log is put over an unread one.
  function save() {
    if (dirty) { absorb(); }
    files.compare();
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
    work = null; doc = null; lines = []; log = []; id = ""; dirty = stored = refused = loose = false;
    byId("lines").replaceChildren(); document.getElementById("dad").hidden = true;
    F.compare(); files.compare();
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
    if (work && (loose || (!stored && (log.length || refused))) && !window.confirm("Leave the script of " + doc.film.name + "? " + arrivals.UNKEPT)) { return; }
    const note = reopen(() => K.get(one));
    if (note === null) { return; }
    K.here(one); byId("kept-box").open = false; scripts().draw();
    byId("title").focus();
    say(["The script of " + doc.film.name + " is open, with " + (log.length === 1 ? "1 edit." : log.length + " edits."), note, F.note()].filter(Boolean).join(" "));
  }

  // Another tab changed what is kept of this draft: this one follows.
  function elsewhere(event) {
    const what = work ? K.heard(event, id) : "";
    if (what === "gone") { stored = false; say("Another tab deleted this script from the browser. Your next change keeps it again."); }
    if (what === "edits") { absorb(); save(); }
  }
  // What another tab wrote comes under what was changed here since.
  function absorb() {
    const found = K.unread(id, doc, log);
    if (!found) { return; }
    log = found.both; session = null; dirty = log.length > found.theirs.length;
    K.saw(id, found.theirs);
    redraw();
    say("This script is open in another tab too. What was changed there is shown here" + (dirty ? "; where you changed the same, yours stands, and Undo brings the other back." : "."));
  }
  // The table made anew, with the focus, and what is being typed, where they were.
  function redraw() {
    const node = document.activeElement, here = lines.find((line) => line.row.contains(node));
    const fields = (line) => [...line.row.querySelectorAll("textarea, input, select, button")];
    const place = here ? fields(here).indexOf(node) : -1;
    draw(); sum(); picture();
    const at = here ? lines.findIndex((line) => line.cue.index === here.cue.index) : -1, line = lines[at];
    if (!line) { return; }
    fields(line)[place].focus();
    line.entered = here.entered;
    if (node === here.start && Number(node.value) !== here.start_s) { line.start.value = node.value; }
    if (node !== here.area) { return; }
    const text = clean(node.value);
    if (text !== clean(here.logged.text) || text === clean(line.text)) {
      line.area.value = node.value;
      line.text = text || line.text;
      update(at);
    }
    line.area.setSelectionRange(node.selectionStart, node.selectionEnd);
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
    line.added = true;  // in this log; `own` is a person's line of the draft too
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
    session = null; log.push(edit); dirty = true;
    byId("lines").insertBefore(line.row, at + 1 < lines.length ? lines[at + 1].row : null);
    number(); R.mark(line);
    const turned = around(at).filter((one) => one !== line);
    line.area.focus();
    say("Line " + edit.cue + " is added at " + clock(value.start_s) + (line.long ? "; it is too long for its place." : "; it fits.") + told(turned));
    save();  // last, since it may draw the lines anew
  }
  function takeBack(edit) {
    const at = lines.findIndex((line) => line.cue.index === edit.cue);
    lines[at].row.remove(); lines.splice(at, 1);
    number();
    say("Line " + edit.cue + " was new and is gone." + told(around(Math.min(at, lines.length - 1))));
    save();
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
    R.mark(line);
    const said = moved(line, "Line " + last.cue + ": the last change is undone");
    sum(); order();
    line.row.hidden = false;
    say(said);
    save();
  }
  // What stands in a field that the focus is still in counts too.
  function flush() {
    const here = document.activeElement, at = lines.findIndex((line) => line.row.contains(here)), line = lines[at];
    if (line && here === line.area) { typed(at); }
    if (line && here === line.start && Number(here.value) !== line.start_s) { setStart(at); }
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
    byId("sum").textContent = kept.length + " lines, " + count((line) => !line.added && changed(line)) + " changed, " + count((line) => line.added && !line.removed) + " added, " + count((line) => line.reviewed && !line.removed) + " reviewed, " + count((line) => line.long && !line.removed) + " too long, " + (lines.length - kept.length) + " removed. " + (left ? "This is an unreviewed machine draft until every line is marked as reviewed." : "Every line is marked as reviewed.");
    later("filter", 50, filter);
  }
  function filter() {
    const how = byId("show").value, here = document.activeElement;
    const wanted = { all: () => true, open: isOpen, long: (line) => line.long && !line.removed, changed: (line) => line.removed || line.added || changed(line) }[how];
    lines.forEach((line) => { const hide = !wanted(line) && !line.row.contains(here); if (line.row.hidden !== hide) { line.row.hidden = hide; } });
  }
  function picture() { byId("picture").replaceChildren(R.picture(doc.film.duration_s, work, lines)); }

  function wire() {
    if (keys) { return; }
    keys = window.distinctadKeys({ state: () => ({ lines, doc }), say, typed, update, setText, setFlag, refuses, drop, isOpen, play: F.play, write: (line) => fresh.open(span(line)[1]) });
    const body = byId("lines"), where = (event) => { const row = event.target.closest("tr"); return row ? Number(row.dataset.at) : -1; };
    body.addEventListener("focusin", (event) => { const at = where(event); if (event.target.tagName === "TEXTAREA") { session = null; lines[at].entered = lines[at].text; } });
    body.addEventListener("focusout", (event) => { if (event.target.tagName === "TEXTAREA") { typed(where(event)); session = null; } });
    body.addEventListener("input", (event) => {
      const at = where(event);
      if (event.target.tagName !== "TEXTAREA") { return; }
      const value = clean(event.target.value), line = lines[at];
      // Emptied, perhaps only to write another text: it is as if nothing had been typed, so that no stump stays.
      line.text = value || line.entered;
      if (!value) { clearTimeout(timers.typed); commit(at, "text", line.entered, true); update(at); return; }
      update(at, true);
      if (event.target.value.length >= event.target.maxLength) { say("Line " + line.cue.index + " is full: a text holds up to " + event.target.maxLength + " characters, and what was more is cut off."); }
      later("typed", 250, () => { if (lines.includes(line)) { typed(lines.indexOf(line)); } });
    });
    body.addEventListener("keydown", (event) => { if (event.target.tagName === "TEXTAREA" && !event.isComposing && event.keyCode !== 229) { keys.key(event, where(event)); } });  // 229: Safari's Enter that confirms
    body.addEventListener("change", (event) => {
      const at = where(event), target = event.target;
      if (target.type === "checkbox") { target.checked = !refuses(at) && target.checked; setFlag(at, "reviewed", target.checked); } else if (target.type === "number") { setStart(at); }
    });
    body.addEventListener("click", (event) => {
      const at = where(event), name = event.target.className;
      if (name === "dad-play") { F.play(lines[at].start_s); } else if (name === "dad-hear") { keys.hear(at); } else if (name === "dad-take") { keys.choose(at); } else if (name === "dad-drop") { drop(at); }
    });
    window.addEventListener("pointerdown", () => { pressed = true; }, true);
    ["pointerup", "pointercancel", "keydown"].forEach((name) => window.addEventListener(name, () => { if (pressed) { pressed = false; later("order", 0, order); } }, true));
    byId("undo").addEventListener("click", undo);
    byId("next").addEventListener("click", keys.nextOpen);
    byId("forget").addEventListener("click", forget);
    byId("show").addEventListener("change", filter);
    // The wheel is for the page: over a number field with the focus it would move the line.
    window.addEventListener("wheel", (event) => { if (event.target.type === "number" && event.target === document.activeElement) { event.target.blur(); } }, { passive: true });
    window.addEventListener("pagehide", flush);
    window.addEventListener("beforeunload", (event) => {
      flush();
      if (loose || (refused && log.length)) { event.preventDefault(); event.returnValue = arrivals.UNKEPT; }
    });
    window.addEventListener("storage", elsewhere);
    fresh = window.distinctadNew({ state: () => ({ lines, work, doc }), span, budget, say, add, keep: keepForm });
  }

  // ---- from and to the server
  function open(data) {
    if (!data || data.format !== "distinctad.work" || !byId("lines")) { return; }
    const found = JSON.parse(data.draft), name = K.identity(data.draft, found.film.sha256);
    flush();
    if (work && name !== id && !arrivals.opens(data, found.film.name, name)) { return; }
    data = arrivals.withDialogue(data, name);
    const kept = name === id ? log : arrivals.edits(name), brought = data.edits.slice();
    const goOn = kept.length && JSON.stringify(kept) !== JSON.stringify(brought) && K.belongs(found, kept) &&
      window.confirm("You have edited this very script in this browser (" + kept.length + " changes). Go on with them? Otherwise they are lost.");
    begin(data, found, name, goOn ? kept : brought);
    keepWork();
  }
  function begin(data, found, name, edits) {
    work = data; doc = found; id = name; log = edits; session = null; dirty = refused = loose = false; stored = true; byId("unkept").hidden = true;
    given = W.nameWords(doc.cast.map((person) => person.name));
    byId("title").textContent = "Script of " + doc.film.name;
    byId("new-text").lang = doc.language;
    byId("note").textContent = doc.review + ". Times are those of: " + work.rate.voice + (work.rate.voice.startsWith("assumed") ? "." : ", a synthetic voice.") +
      (known() ? "" : " The dialogue is unknown: a line fits where the draft says that nobody speaks. Open the script again with subtitles to mend that.");
    wire(); draw(); sum(); picture(); fresh.fill(K.form(id)); files.compare();
    document.getElementById("dad").hidden = false;
    F.show();
  }
  function take() { flush(); files.take(); return work ? Object.assign({}, work, { edits: log }) : null; }
  // Show a kept script, which `get` reads: gives what there is to say of it, null if there is none or it cannot be read.
  function reopen(get) {
    try {
      const kept = get();
      if (!kept) { return null; }
      const found = JSON.parse(kept.work.draft), name = K.identity(kept.work.draft, found.film.sha256), fits = K.belongs(found, kept.edits);
      if (kept.work.format !== "distinctad.work" || kept.id !== name) { throw new Error("no work of this page"); }
      K.saw(name, kept.edits);
      begin(kept.work, found, name, fits ? kept.edits : []);
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
  return { open, take, made: files.made, making, film: F.give, restore, say, close: (list) => W.close(list) };
}());
