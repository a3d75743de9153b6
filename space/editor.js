// The editor: a table of lines over one piece of work. It runs in the page alone; every change goes into a log and, with
// the draft, into this browser's storage, so that a reload loses nothing and the server need not keep anything.
// No text of a film, a model or a person ever becomes markup: all of it goes in as textContent or as a value.
window.distinctad = (function () {
  "use strict";
  const W = window.distinctadWords, BREATH = 0.2, NEIGHBOURS = 4, WORK = "distinctad-work", LOG = "distinctad-edits";
  const byId = (id) => document.getElementById("dad-" + id);
  const clock = (s) => { const m = Math.floor(s / 60); return Math.floor(m / 60) + ":" + String(m % 60).padStart(2, "0") + ":" + (s % 60).toFixed(1).padStart(4, "0"); };
  const clean = (text) => text.replace(/[\p{C}\p{Z}\s]+/gu, " ").trim();
  let work = null, doc = null, lines = [], log = [], given = new Set(), session = null, timers = {}, wired = false, address = "", fresh = null;

  function later(name, ms, what) { clearTimeout(timers[name]); timers[name] = setTimeout(what, ms); }
  function say(text) { byId("live").textContent = text; later("said", 10000, () => byId("live").replaceChildren()); }
  function make(tag, text, name) { const node = document.createElement(tag); if (text) { node.textContent = text; } if (name) { node.className = name; } return node; }

  // ---- keeping
  function save() {
    try { localStorage.setItem(LOG, JSON.stringify(log)); } catch (error) { say("This browser cannot keep your edits: make the text files before you leave the page."); }
  }
  function keepWork() {
    try { localStorage.setItem(WORK, JSON.stringify(Object.assign({}, work, { edits: [] }))); } catch (error) { say("This browser cannot keep the script: make the text files before you leave the page."); }
    save();
  }
  function forget() {
    if (!window.confirm("Delete the script and its edits from this browser?")) { return; }
    for (const name of [WORK, LOG]) { localStorage.removeItem(name); }
    work = null; doc = null; lines = []; log = [];
    byId("lines").replaceChildren(); document.getElementById("dad").hidden = true;
  }

  // ---- one line
  function limit(at) {
    const line = lines[at], start = line.start_s;
    let to = line.cue.provenance.room_s ? line.cue.provenance.room_s[1] : line.cue.end_s;
    if (work.gaps.length) {
      const gap = work.gaps.find((one) => one[0] - 0.001 <= start && start < one[1]);
      if (!gap) { return start; }
      to = gap[1];
    }
    if (line.added) { to = Math.min(to, line.cue.end_s + start - line.cue.start_s); }
    for (let next = at + 1; next < lines.length; next += 1) {
      if (!lines[next].removed) { to = Math.min(to, lines[next].start_s - BREATH); break; }
    }
    return Math.max(start, to);
  }
  function budget(takes, room, text) {
    const left = W.wordsIn(work.rate, room) - W.words(text).length;
    if (room < 0.05) { return "In dialogue: heard in the extended film only."; }
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
    const line = lines[at], room = limit(at) - line.start_s, takes = W.seconds(work.rate, line.text);
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
    if (value === before) { return; }
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
    later("save", 150, save);
  }
  function typed(at) {
    const line = lines[at], value = clean(line.area.value);
    if (value) { commit(at, "text", value, true); } else if (line.area.value !== line.text) { line.area.value = line.text; }
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
    setFlag(at, "removed", !line.removed);
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
  function around(at) {
    for (let near = Math.max(0, at - NEIGHBOURS); near <= Math.min(lines.length - 1, at + NEIGHBOURS); near += 1) { judge(near); explain(near); }
    sum(); picture();
  }
  function add(value) {
    flush();
    const edit = { cue: 1 + lines.reduce((most, line) => Math.max(most, line.cue.index), 0), field: "added", before: false, after: value };
    const at = insert(written(edit)), line = lines[at];
    session = null; log.push(edit); save();
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
    mark(at); update(at, true);
  }
  function undo() {
    flush();
    const last = log.pop();
    session = null;
    if (!last) { say("There is nothing to undo."); return; }
    if (last.field === "added") { takeBack(last); return; }
    const at = lines.findIndex((line) => line.cue.index === last.cue), line = lines[at];
    line.logged[last.field] = last.before;
    line[last.field] = last.before;
    line.area.value = line.text; line.start.value = line.start_s;
    save(); mark(at); update(at); sum();
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
  const ROW = document.createElement("template");
  ROW.innerHTML = '<tr role="row"><th scope="row" role="rowheader"><span class="dad-n"></span><label class="dad-at">Start (s)<input type="number" min="0" step="0.1"></label><button type="button" class="dad-play">Play</button></th>' +
    '<td role="cell"><textarea rows="2" maxlength="1000" spellcheck="true"></textarea><p class="dad-why"></p></td>' +
    '<td role="cell"><span class="dad-budget"></span></td>' +
    '<td role="cell"><label class="dad-done"><input type="checkbox"><span>Reviewed</span></label><div class="dad-acts"></div></td></tr>';
  function row(cue) {
    const node = ROW.content.firstElementChild.cloneNode(true), n = cue.index, find = (what) => node.querySelector(what);
    const line = { cue: cue, row: node, added: cue.provenance.origin === "person", text: cue.text, start_s: cue.start_s, reviewed: Boolean(cue.provenance.reviewed), removed: false, area: find("textarea"), start: find("input[type=number]"), box: find("input[type=checkbox]"), budget: find(".dad-budget"), why: find(".dad-why"), bag: W.bag(cue.text) };
    line.logged = { text: cue.text, start_s: cue.start_s, reviewed: line.reviewed, removed: false };
    line.budget.id = "dad-b" + n; line.why.id = "dad-w" + n;
    line.area.value = cue.text;
    line.area.setAttribute("aria-describedby", line.budget.id + " " + line.why.id);
    line.start.value = cue.start_s;
    line.start.setAttribute("aria-label", "Start of line " + n + ", seconds");
    find(".dad-play").setAttribute("aria-label", "Play line " + n);
    find(".dad-done span").textContent = "Reviewed";
    line.box.setAttribute("aria-label", "Reviewed: line " + n);
    const acts = find(".dad-acts"), draft = cue.provenance.draft || cue.text;
    const others = [draft].concat(cue.provenance.alternatives || []).filter((text, at, all) => text !== cue.text && all.indexOf(text) === at);
    line.others = [cue.text].concat(others);
    if (others.length) {
      const select = make("select");
      select.setAttribute("aria-label", "Other texts for line " + n);
      select.append(new Option("Other texts (" + others.length + ")", ""));
      line.others.forEach((text, at) => select.append(new Option((at ? "" : "As drafted: ") + text, String(at))));
      acts.append(select);
    }
    const hear = make("button", "Hear", "dad-hear");
    hear.type = "button"; hear.setAttribute("aria-label", "Hear line " + n + " in a synthetic voice");
    line.drop = make("button", "Remove", "dad-drop"); line.drop.type = "button";
    acts.append(hear, line.drop);
    return line;
  }
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
  function picture() {
    const NS = "http://www.w3.org/2000/svg", box = byId("picture"), length = doc.film.duration_s;
    const svg = document.createElementNS(NS, "svg"), kept = lines.filter((line) => !line.removed);
    const bars = (list, y, h) => list.map(([a, b]) => "M" + (1000 * a / length).toFixed(2) + " " + y + "h" + Math.max(0.6, 1000 * (Math.min(b, length) - a) / length).toFixed(2) + "v" + h + "h-" + Math.max(0.6, 1000 * (Math.min(b, length) - a) / length).toFixed(2) + "z").join("");
    const span = (line) => [line.start_s, line.start_s + line.takes];
    svg.setAttribute("viewBox", "0 0 1000 74"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Timeline of " + clock(length) + ": " + work.speech.length + " lines of speech, " + work.gaps.length + " gaps, " + kept.length + " descriptions, " + kept.filter((line) => line.long).length + " of them too long");
    [["dad-said", work.speech, 4], ["dad-free", work.gaps, 28], ["dad-told", kept.filter((line) => !line.long).map(span), 52], ["dad-long", kept.filter((line) => line.long).map(span), 52]].forEach(([name, list, y]) => {
      const path = document.createElementNS(NS, "path");
      path.setAttribute("class", name); path.setAttribute("d", bars(list, y, 18)); svg.append(path);
    });
    box.replaceChildren(svg);
  }

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
  function other(at) {
    const line = lines[at], now = line.others.indexOf(line.text);
    if (line.others.length < 2) { say("Line " + line.cue.index + " has no other text."); return; }
    setText(at, line.others[(now + 1) % line.others.length]);
    say(line.text);
  }
  function key(event, at) {
    const name = event.key, line = lines[at];
    if (name === "Enter") { typed(at); if (event.ctrlKey || event.metaKey) { setFlag(at, "reviewed", true); } go(at, 1); } else if (event.altKey && name === "ArrowDown") { go(at, 1); } else if (event.altKey && name === "ArrowUp") { go(at, -1); } else if (event.altKey && event.code === "KeyP") { play(at); } else if (event.altKey && event.code === "KeyH") { hear(at); } else if (event.altKey && event.code === "KeyA") { other(at); } else if (event.altKey && event.code === "KeyN") { typed(at); fresh.open(span(line)[1]); } else if (event.altKey && name === "Delete") { typed(at); drop(at); } else if (name === "Escape") { line.area.value = line.text = line.entered; typed(at); update(at); } else { return; }
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
      if (target.type === "checkbox") { setFlag(at, "reviewed", target.checked); } else if (target.type === "number") { setStart(at); } else if (target.tagName === "SELECT" && target.value !== "") { setText(at, lines[at].others[Number(target.value)]); target.value = ""; say("Line " + lines[at].cue.index + ": " + lines[at].text); }
    });
    body.addEventListener("click", (event) => {
      const at = where(event), name = event.target.className;
      if (name === "dad-play") { play(at); } else if (name === "dad-hear") { hear(at); } else if (name === "dad-drop") { drop(at); }
    });
    byId("undo").addEventListener("click", undo);
    byId("next").addEventListener("click", nextOpen);
    byId("forget").addEventListener("click", forget);
    byId("show").addEventListener("change", filter);
    window.addEventListener("pagehide", flush);
    fresh = window.distinctadNew({ state: () => ({ lines, work, doc }), span, budget, clean, say, add });
  }

  // ---- from and to the server
  function open(data) {
    if (!data || data.format !== "distinctad.work" || !byId("lines")) { return; }
    if (work && log.length && !window.confirm("Replace the script that you have edited? Its edits would be lost.")) { return; }
    work = data; doc = JSON.parse(data.draft); log = data.edits.slice(); session = null;
    given = W.nameWords(doc.cast.map((person) => person.name));
    byId("title").textContent = "Script of " + doc.film.name;
    byId("lines").lang = doc.language;
    byId("note").textContent = doc.review + ". Times are those of: " + work.rate.voice + (work.rate.voice.startsWith("assumed") ? "." : ", a synthetic voice.");
    wire(); draw(); sum(); picture(); keepWork();
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
      const kept = JSON.parse(localStorage.getItem(WORK) || "null");
      if (kept) { open(Object.assign(kept, { edits: JSON.parse(localStorage.getItem(LOG) || "[]") })); }
    } catch (error) { say("The script that this browser kept cannot be read."); }
  }
  return { open, take, film, restore, close: (list) => W.close(list) };
}());
