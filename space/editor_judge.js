// Whether a line fits its place: since when and until when nobody speaks there, and what that leaves for words. The rules
// are those of distinctad/planner_fit.py (`rooms`) and distinctad/edited.py; tests/space hold both against each other.
window.distinctadJudge = function (state) {
  "use strict";
  const W = window.distinctadWords, BREATH = 0.2, SHORTEST = 0.05, TOUCH = 0.001;
  let judged = null, free = [];

  // Every stretch in which nobody speaks, however short, the guard beside each line of dialogue taken off. The work's
  // gaps are others: too short a gap gets no description of its own, but a line may still be heard in it.
  function silences(speech, length, guard) {
    const found = [], least = Math.max(SHORTEST, 2 * guard + SHORTEST), ms = (s) => Math.round(s * 1e6) / 1e3;
    let from = 0, spoken = false;
    for (const line of [...speech].sort((a, b) => a[0] - b[0] || a[1] - b[1]).concat([null])) {
      const to = line ? Math.min(line[0], length) : length;
      if (to - from >= least - 1e-9) {
        const first = Math.ceil(ms(from + (spoken ? guard : 0)));
        const last = Math.floor(ms(to - (line && line[0] < length + guard ? guard : 0)));
        if (last > first) { found.push([first / 1000, last / 1000]); }
      }
      if (line) { from = Math.max(from, line[1]); spoken = true; }
    }
    return found;
  }
  // No dialogue and no gaps: nobody knows. A silent film is one long gap.
  const known = () => state().work.speech.length > 0 || state().work.gaps.length > 0;
  function heard() {
    const { work, doc } = state();
    if (judged !== work) { judged = work; free = silences(work.speech, doc.film.duration_s, doc.intervals.rules.guard_s); }
    return free;
  }
  // Where nobody speaks around a line, as far as its draft knows: the rule of distinctad/edited.py, for unknown dialogue.
  function drafted(line) {
    const from = line.cue.start_s, to = line.cue.end_s, room = line.cue.provenance.room_s;
    if (!room) { return line.own ? [line.start_s, to + line.start_s - from] : [from, to]; }
    return (line.cue.provenance.fit || "").includes("moved") ? [Math.min(room[0], from), Math.max(room[1], to)] : room;
  }
  // Until when a line may be heard; its own start where there is no room at all.
  function limit(line) {
    const start = line.start_s;
    const place = (known() ? heard() : [drafted(line)]).find((one) => one[0] - TOUCH <= start && start < one[1]);
    if (!place) { return start; }
    let to = place[1];
    if (line.own) { to = Math.min(to, line.cue.end_s + start - line.cue.start_s); }
    for (const next of state().lines) {
      const after = next.start_s > start || (next.start_s === start && next.cue.index > line.cue.index);
      if (after && !next.removed && !unsaid(next)) { to = Math.min(to, next.start_s - BREATH); }
    }
    return Math.max(start, to);
  }
  function budget(takes, room) {
    const rate = state().work.rate, left = W.wordsIn(rate, takes ? room - takes + rate.start_s : room);  // the text has begun
    if (room < 0.05) { return (known() ? "In dialogue" : "Not known to be free of dialogue") + ": heard in the extended film only."; }
    const rest = takes > room + TOUCH ? "Too long by " + (takes - room).toFixed(1) + " s: heard in the extended film only." : left > 0 ? "Room for about " + left + (left === 1 ? " more word." : " more words.") : "Full.";
    return takes.toFixed(1) + " of " + room.toFixed(1) + " s. " + rest;
  }
  // Where a line is spoken: as it was measured, or as long as its new text is thought to take. Never less than what
  // distinctad/review.py takes for it, so that the server refuses no line that was added here.
  function span(line) {
    const told = line.cue.end_s - line.cue.start_s, least = line.cue.provenance.room_s ? 0.1 : told;
    return [line.start_s, line.start_s + (line.text === line.cue.text ? told : Math.max(least, line.takes))];
  }
  const EMPTY = "Empty. Remove the line if nothing is to be said.", UNSAID = "Nothing is said here yet: write a text, or remove the line.";
  // A text that the model left empty, see distinctad/unsaid.py: nobody speaks it, and nobody can accept it.
  const unsaid = (line) => line.text === "No description." && line.cue.provenance.text_from === "placeholder";
  // Says in a line's row whether it fits, and gives whether that is another answer than before.
  function judge(line) {
    const room = limit(line) - line.start_s, measured = line.text === line.cue.text && line.cue.provenance.spoken_s;
    line.silent = unsaid(line);
    const takes = line.silent ? 0 : measured || W.seconds(state().work.rate, line.text), before = line.long;
    line.takes = takes;
    line.long = takes > room + TOUCH;
    const blank = !W.clean(line.area.value) && line.text;  // a neighbour's change judges this line too
    line.budget.textContent = blank ? EMPTY : line.silent ? UNSAID : budget(takes, room);
    line.budget.classList.toggle("dad-over", line.long);
    return before !== undefined && before !== line.long;
  }
  // What a change did to lines, in words.
  function told(turned) {
    const named = (long, one, more) => {
      const some = turned.filter((line) => line.long === long && !line.removed).map((line) => line.cue.index).sort((a, b) => a - b);
      return some.length ? (some.length > 1 ? " Lines " + some.join(", ") + more : " Line " + some[0] + one) : "";
    };
    return named(true, " is too long now.", " are too long now.") + named(false, " fits now.", " fit now.");
  }
  return { limit, known, judge, budget, span, told, unsaid };
};
