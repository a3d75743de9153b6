// One line as a row of the editor's table, and all of them as a picture. What a person or a model wrote becomes no markup.
window.distinctadRow = (function () {
  "use strict";
  const W = window.distinctadWords;
  const clock = (s) => { const t = Math.round(s * 10), m = Math.floor(t / 600); return Math.floor(m / 60) + ":" + String(m % 60).padStart(2, "0") + ":" + (t % 600 / 10).toFixed(1).padStart(4, "0"); };
  function make(tag, text, name) { const node = document.createElement(tag); if (text) { node.textContent = text; } if (name) { node.className = name; } return node; }

  const ROW = document.createElement("template");
  // "false", since a browser calls every time between two steps of the arrow keys an invalid entry; so in editor.html.
  ROW.innerHTML = '<tr role="row"><th scope="row" role="rowheader"><span class="dad-n"></span><label class="dad-at">Start (s)<input type="number" min="0" step="0.1" aria-invalid="false"></label><button type="button" class="dad-play">Play</button></th>' +
    '<td role="cell"><textarea rows="2" maxlength="1000" spellcheck="true" dir="auto"></textarea><p class="dad-why" dir="auto"></p></td>' +
    '<td role="cell"><span class="dad-budget"></span></td>' +
    '<td role="cell"><label class="dad-done"><input type="checkbox"><span>Reviewed</span></label><div class="dad-acts"></div></td></tr>';
  // `lang`: of the script's texts; the words around them are the page's.
  function row(cue, lang) {
    const node = ROW.content.firstElementChild.cloneNode(true), n = cue.index, find = (what) => node.querySelector(what);
    const line = { cue: cue, row: node, lang: lang, own: cue.provenance.origin === "person", text: cue.text, start_s: cue.start_s, reviewed: Boolean(cue.provenance.reviewed), removed: false, area: find("textarea"), start: find("input[type=number]"), box: find("input[type=checkbox]"), budget: find(".dad-budget"), why: find(".dad-why"), bag: W.bag(cue.text) };
    line.logged = { text: cue.text, start_s: cue.start_s, reviewed: line.reviewed, removed: false };
    line.budget.id = "dad-b" + n; line.why.id = "dad-w" + n;
    line.area.value = cue.text; line.area.lang = lang;
    line.area.setAttribute("aria-describedby", line.budget.id + " " + line.why.id);
    line.start.value = cue.start_s;
    line.start.setAttribute("aria-label", "Start (s), line " + n);
    find(".dad-play").setAttribute("aria-label", "Play line " + n);
    line.box.setAttribute("aria-label", "Reviewed: line " + n);
    const acts = find(".dad-acts"), draft = cue.provenance.draft || cue.text;
    const others = [draft].concat(cue.provenance.alternatives || []).filter((text, at, all) => text !== cue.text && all.indexOf(text) === at);
    line.others = [cue.text].concat(others);
    if (others.length) {
      const select = make("select");
      select.setAttribute("aria-label", "Other texts for line " + n);
      select.append(new Option("Other texts (" + others.length + ")", ""));
      line.others.forEach((text, at) => select.append(new Option((at ? "" : "As drafted: ") + text, String(at))));
      for (const one of select.options) { one.dir = "auto"; if (one.value) { one.lang = lang; } }
      // A button takes the text: a closed list changes with every arrow key, and only passing by must not edit.
      const take = make("button", "Use this text", "dad-take");
      take.type = "button"; take.setAttribute("aria-label", "Use this text for line " + n);
      acts.append(select, take);
    }
    const hear = make("button", "Hear", "dad-hear");
    hear.type = "button"; hear.setAttribute("aria-label", "Hear line " + n + " in a synthetic voice");
    line.drop = make("button", "Remove", "dad-drop"); line.drop.type = "button";
    acts.append(hear, line.drop);
    return line;
  }

  // What of a row follows from its line's state.
  function mark(line) {
    line.row.classList.toggle("dad-removed", line.removed);
    line.area.readOnly = line.start.readOnly = line.removed;
    line.box.checked = line.reviewed;
    line.row.querySelector(".dad-n").textContent = line.cue.index + ". " + clock(line.start_s);
    line.area.setAttribute("aria-label", "Text of line " + line.cue.index + " at " + clock(line.start_s));
    line.drop.textContent = line.removed ? "Put back" : "Remove";
    line.drop.setAttribute("aria-label", line.drop.textContent + " line " + line.cue.index);
  }

  // What is new in a line, and of the rest which lines nearby, by number, say it too.
  function show(line, news, said) {
    const fresh = new Set(news), plain = W.normal(line.text);
    const text = (words) => { const node = make("span", words); node.lang = line.lang; return node; }, shown = text("");
    let from = 0;
    shown.setAttribute("aria-hidden", "true");
    for (const match of plain.matchAll(W.RUN)) {
      if (!fresh.has(W.fold(match[0]))) { continue; }
      shown.append(plain.slice(from, match.index), make("mark", match[0]));
      from = match.index + match[0].length;
    }
    shown.append(plain.slice(from));
    const spoken = make("span", news.length ? "New here: " : "Nothing new against its neighbours. ", "dad-sr");
    if (news.length) { spoken.append(text(news.join(", ")), ". "); }
    const rest = make("small", said.length ? "Said nearby: " : "");
    said.slice(0, 6).forEach(([word, where], at) => rest.append(at ? "; " : "", text(word), " (line " + where.join(", ") + ")"));
    rest.dir = "ltr";
    line.why.replaceChildren(shown, spoken, " ", rest);
  }

  // Lines in order of time, and of one time in order of their numbers: as the exported script has them.
  const inTime = (lines) => [...lines].sort((a, b) => a.start_s - b.start_s || a.cue.index - b.cue.index);
  // Put rows into the order of their lines. A row that holds the focus is not moved, since a field that is taken out of
  // the page, even for a moment, loses it; the others go around it.
  function arrange(lines, focus) {
    const here = Math.max(0, lines.findIndex((line) => line.row.contains(focus)));
    for (let at = here - 1; at >= 0; at -= 1) {
      if (lines[at].row.nextSibling !== lines[at + 1].row) { lines[at + 1].row.before(lines[at].row); }
    }
    for (let at = here + 1; at < lines.length; at += 1) {
      if (lines[at].row.previousSibling !== lines[at - 1].row) { lines[at - 1].row.after(lines[at].row); }
    }
  }

  // The timeline: speech, gaps and descriptions along a film of so many seconds.
  function picture(length, work, lines) {
    const NS = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(NS, "svg"), kept = lines.filter((line) => !line.removed);
    const bars = (list, y, h) => list.map(([a, b]) => "M" + (1000 * a / length).toFixed(2) + " " + y + "h" + Math.max(0.6, 1000 * (Math.min(b, length) - a) / length).toFixed(2) + "v" + h + "h-" + Math.max(0.6, 1000 * (Math.min(b, length) - a) / length).toFixed(2) + "z").join("");
    const span = (line) => [line.start_s, line.start_s + line.takes];
    svg.setAttribute("viewBox", "0 0 1000 74"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Timeline of " + clock(length) + ": " + work.speech.length + " lines of speech, " + work.gaps.length + " gaps, " + kept.length + " descriptions, " + kept.filter((line) => line.long).length + " of them too long");
    [["dad-said", work.speech, 4], ["dad-free", work.gaps, 28], ["dad-told", kept.filter((line) => !line.long).map(span), 52], ["dad-long", kept.filter((line) => line.long).map(span), 52]].forEach(([name, list, y]) => {
      const path = document.createElementNS(NS, "path");
      path.setAttribute("class", name); path.setAttribute("d", bars(list, y, 18)); svg.append(path);
    });
    return svg;
  }
  return { make, clock, row, mark, show, inTime, arrange, picture };
}());
