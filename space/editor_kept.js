// What this browser keeps: for each draft the draft itself and its log, under keys of its own, so that two tabs with two
// scripts never write over each other. The log names the draft that it belongs to. A log is written at every change, a
// draft of a long film only once: they are two records, and `read` sees that they belong together. A new line that is
// still being written is a third one.
window.distinctadKept = (function () {
  "use strict";
  const WORK = "distinctad-work:", LOG = "distinctad-edits:", NEW = "distinctad-new:", HERE = "distinctad-here", MOST = 20;
  const clean = window.distinctadWords.clean;

  // A draft's name: 64 bits of its text (FNV-1a, two halves with seeds of their own) and the film's sha256. The browser's
  // own sha256 is not there on plain http, and nobody is to be kept from forging: `belongs` looks at every edit.
  function identity(text, film) {
    let a = 0x811c9dc5, b = 0x9747b28c;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      a = Math.imul(a ^ code, 0x01000193); b = Math.imul(b ^ code, 0x85ebca6b);
    }
    return String(film).slice(0, 16) + "-" + [a, b].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
  function same(before, value) {
    if (typeof before === "number" && typeof value === "number") { return Math.abs(before - value) < 5e-4; }
    return typeof before === "string" && typeof value === "string" ? clean(before) === clean(value) : before === value;
  }
  const values = (cue, reviewed) => ({ text: cue.text, start_s: cue.start_s, end_s: cue.end_s, reviewed: reviewed, removed: false });
  // What the edits make of each line, by its number; null where an edit does not find what it says that it found: the
  // rule of distinctad/review.py.
  function replayed(doc, edits) {
    const lines = new Map(doc.cues.map((cue) => [cue.index, values(cue, Boolean(cue.provenance.reviewed))]));
    const fit = Array.isArray(edits) && edits.every((edit) => {
      if (edit.field === "added") {
        if (lines.has(edit.cue)) { return false; }
        lines.set(edit.cue, values(edit.after, true));
        return true;
      }
      const line = lines.get(edit.cue);
      if (!line || !same(edit.before, line[edit.field])) { return false; }
      line[edit.field] = edit.after;
      return true;
    });
    return fit ? lines : null;
  }
  const belongs = (doc, edits) => replayed(doc, edits) !== null;
  // Two tabs went on from one log: what `mine` changed since `base`, put behind all of `theirs`. Where both changed one
  // thing, mine stands and theirs is in the log before it, so undoing brings it back. Null if a log is another draft's.
  function merged(doc, base, mine, theirs) {
    const [was, own, other] = [base, mine, theirs].map((list) => replayed(doc, list)), list = [...theirs];
    if (!was || !own || !other) { return null; }
    let most = Math.max(0, ...other.keys());
    own.forEach((line, cue) => {
      const from = was.get(cue), differ = (one) => Object.keys(one).filter((field) => !same(one[field], line[field]));
      let to = from && other.get(cue), number = cue, fields = from ? differ(from) : [];
      if (from && !fields.length) { return; }
      if (!to) {  // added here; or added before, changed here and taken back there
        const edit = mine.find((one) => one.cue === cue && one.field === "added");
        number = most += 1; to = values(edit.after, true); fields = differ(to);
        list.push(Object.assign({}, edit, { cue: number }));
      }
      fields.filter((field) => differ(to).includes(field)).forEach((field) => list.push({ cue: number, field: field, before: to[field], after: line[field] }));
    });
    was.forEach((line, cue) => {  // added before, taken back here
      if (!own.has(cue) && other.has(cue) && !other.get(cue).removed) { list.push({ cue: cue, field: "removed", before: false, after: true }); }
    });
    return list;
  }

  function record(id) {
    const found = JSON.parse(localStorage.getItem(LOG + id) || "null");
    return found && found.draft === id && Array.isArray(found.edits) ? found : null;
  }
  function edits(id) { const found = record(id); return found ? found.edits : []; }
  function ids() {
    const found = [];
    for (let at = 0; at < localStorage.length; at += 1) {
      const name = localStorage.key(at);
      if (name.startsWith(WORK)) { found.push(name.slice(WORK.length)); }
    }
    const when = (id) => { try { return record(id).at || 0; } catch (error) { return 0; } };
    return found.map((id) => [when(id), id]).sort((a, b) => a[0] - b[0]).map((pair) => pair[1]);
  }
  const others = (id) => ids().filter((one) => one !== id).length;
  const has = (id) => localStorage.getItem(WORK + id) !== null;
  function drop(id) { [WORK, LOG, NEW].forEach((name) => localStorage.removeItem(name + id)); }
  function here(id) { try { sessionStorage.setItem(HERE, id); } catch (error) { /* then a reload opens the newest */ } }

  // A draft's log as this tab last read or wrote it, as text: what it does not hold, another tab wrote.
  const seen = new Map();
  function saw(id, list) { seen.set(id, JSON.stringify(list)); }
  function log(id, list) {
    localStorage.setItem(LOG + id, JSON.stringify({ draft: id, at: Date.now(), edits: list }));
    saw(id, list);
  }
  // What another tab wrote since, as it is and put together with this tab's log; null if there is nothing to read.
  function unread(id, doc, mine) {
    let found = null;
    try { found = record(id); } catch (error) { /* a record that nobody can read */ }
    const base = seen.get(id);
    if (!found || base === undefined || JSON.stringify(found.edits) === base) { return null; }
    const both = merged(doc, JSON.parse(base), mine, found.edits);
    return both && { theirs: found.edits, both: both };
  }
  // A new line that is not added yet: start, end and text as they stand in the form.
  function form(id) { try { return JSON.parse(localStorage.getItem(NEW + id)) || []; } catch (error) { return []; } }
  function keepForm(id, list) {
    if (list.some(Boolean)) { localStorage.setItem(NEW + id, JSON.stringify(list)); } else { localStorage.removeItem(NEW + id); }
  }
  const isEdited = (id) => { try { return localStorage.getItem(NEW + id) !== null || edits(id).length > 0; } catch (error) { return false; } };
  // Keep a draft and its log. Where there are too many, or there is no room, the oldest ones that nobody edited give way;
  // an edited one is its person's to delete, so without an unedited one this throws, and nothing is changed. `open`: one
  // that stays because it is open.
  function keep(id, work, list, open) {
    const had = has(id), rest = ids().filter((one) => one !== id);
    const spare = rest.filter((one) => one !== open && !isEdited(one)), text = JSON.stringify(Object.assign({}, work, { edits: [] }));
    const over = had ? 0 : rest.length + 1 - MOST;
    if (over > spare.length) { throw new Error("too many edited scripts"); }
    spare.splice(0, Math.max(0, over)).forEach(drop);
    const gone = [];  // they come back where even without them there is no room
    for (;;) {
      try { localStorage.setItem(WORK + id, text); log(id, list); break; } catch (error) {
        if (!spare.length) {
          if (!had) { drop(id); }
          gone.forEach(([one, ...records]) => { localStorage.setItem(WORK + one, records[0]); if (records[1] !== null) { localStorage.setItem(LOG + one, records[1]); } });
          throw error;
        }
        gone.push([spare[0], localStorage.getItem(WORK + spare[0]), localStorage.getItem(LOG + spare[0])]);
        drop(spare.shift());
      }
    }
  }
  // What a person is told then.
  function noRoom(id) {
    let more = 0;
    try { more = others(id); } catch (error) { /* then this browser keeps nothing at all */ }
    return "This browser cannot keep the script and your edits" + (more ? " until you delete another one from the list of kept scripts" : "") + ": make the text files before you leave the page.";
  }
  // Every script that is kept, the last changed one first: its film, the number of its edits and when it was changed; a
  // film of null is a record that cannot be read. A draft never changes under its name, so each is read once.
  const films = new Map();
  function film(id) {
    if (!films.has(id)) {
      try { films.set(id, String(JSON.parse(JSON.parse(localStorage.getItem(WORK + id)).draft).film.name)); } catch (error) { return null; }
    }
    return films.get(id);
  }
  function list() {
    return ids().reverse().map((id) => {
      try { const found = record(id); return { id: id, film: film(id), edits: found ? found.edits.length : 0, at: found ? found.at : 0 }; } catch (error) { return { id: id, film: null, edits: 0, at: 0 }; }
    });
  }
  const get = (id) => ({ id: id, work: JSON.parse(localStorage.getItem(WORK + id)), edits: edits(id) });
  // The script of this tab, else the newest one; null if there is none. Throws where a record cannot be read.
  function read() {
    const mine = sessionStorage.getItem(HERE), id = mine === null ? ids().pop() : mine;
    if (!id || !has(id)) { return null; }
    here(id);
    return get(id);
  }
  const ours = (event) => event.storageArea === localStorage && (event.key === null || event.key.startsWith(WORK) || event.key.startsWith(LOG));
  function forget(id, all) {
    for (const one of all ? ids() : [id]) { drop(one); }
    here("");  // a reload of this tab opens no other script
  }
  // What another tab did to a draft: "edits", "gone" or nothing.
  function heard(event, id) {
    if (event.storageArea !== localStorage || (event.key !== null && event.key !== LOG + id && event.key !== WORK + id)) { return ""; }
    return !has(id) ? "gone" : event.key === LOG + id && event.newValue ? "edits" : "";
  }
  return { identity, belongs, edits, log, saw, unread, form, keepForm, has, keep, list, get, drop, here, ours, read, forget, heard, others, noRoom };
}());
