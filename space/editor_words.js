// Words, their timing and what is new in a line: the same rules as distinctad's, so that the page can judge a line while
// it is typed, without a server. tests/space hold both against each other.
window.distinctadWords = (function () {
  "use strict";
  const RUN = /[\p{L}\p{N}][\u0300-\u036f]*(?:['-]?[\p{L}\p{N}][\u0300-\u036f]*)*/gu;
  const SAME = { "\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2010": "-", "\u2011": "-", "\u00ad": "" };
  const END = /[.!?:;\u2026"\u201c\u201d(\-\u2013\u2014]\s*$/;
  const BREAK = /[,;:.!?\u2026\u2013\u2014]+(?=\s)/g;
  const TITLES = new Set(["mr", "mrs", "ms", "miss", "dr", "sir"]);
  // Han and Japanese syllables: written without blanks, two of them take about as long as a word (planner_rate.py).
  const UNSPACED = /[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/gu;
  let closed = new Set();

  // A text as the server keeps it: the rule of `clean_text` in distinctad/exports.py. Joiners and marks of direction, which
  // spelling asks for, stay; other format characters go without a blank.
  function clean(text) {
    const flat = text.replace(/(?![\u200c-\u200f])\p{Cf}/gu, "").replace(/[\p{Cc}\p{Cs}\p{Co}\p{Z}\p{Noncharacter_Code_Point}\s]+/gu, " ").trim();
    return /[^\u200c-\u200f ]/u.test(flat) ? flat : "";
  }
  const normal = (text) => text.normalize("NFKC").replace(/[\u2019\u2018\u02bc\u2010\u2011\u00ad]/g, (c) => SAME[c]);
  // There is no case folding here; up and down again gives "ss" for the sharp s and one sigma for two.
  const small = (word) => word.toUpperCase().toLowerCase().replace(/\u03c2/g, "\u03c3");
  function fold(word) {
    const folded = small(word);
    return folded.endsWith("'s") && folded.length > 2 && !closed.has(folded) ? folded.slice(0, -2) : folded;
  }
  const words = (text) => (normal(text).match(RUN) || []).map(fold);

  function spokenWords(found) {
    const unspaced = found.reduce((sum, word) => sum + (word.match(UNSPACED) || []).length, 0);
    return Math.ceil(unspaced / 2) + found.filter((word) => /[\p{L}\p{N}]/u.test(word.replace(UNSPACED, ""))).length;
  }
  function seconds(rate, text) {
    const found = words(text);
    if (!found.length) { return 0; }
    const digits = found.join("").match(/\p{Nd}/gu) || [];  // each is spoken as a word of five letters
    const letters = found.reduce((sum, word) => sum + Array.from(word).length, 0) + 4 * digits.length;
    const count = digits.length + spokenWords(found.filter((word) => !/^\p{Nd}+$/u.test(word)));
    const breaks = (text.trim().match(BREAK) || []).length;
    return Math.max(0.05, rate.start_s + rate.word_s * count + rate.letter_s * letters + rate.break_s * breaks);
  }
  const wordsIn = (rate, room) => Math.max(0, Math.floor((room - rate.start_s) / (rate.word_s + 4.6 * rate.letter_s) + 1e-9));

  function capitalised(texts) {
    const found = new Set();
    for (const text of texts) {
      const plain = normal(text);
      for (const match of plain.matchAll(RUN)) {
        const before = plain.slice(0, match.index), word = match[0], first = Array.from(word)[0];
        if (before.trim() && !END.test(before) && first !== first.toLowerCase() && word !== "I") { found.add(fold(word)); }
      }
    }
    return found;
  }
  function nameWords(names) {
    return new Set(names.flatMap(words).filter((word) => !TITLES.has(word) && !closed.has(word)));
  }
  // texts: of the whole script; bags: their words as sets; gives what is new in text i and where the rest was said.
  function why(texts, bags, given, i, neighbours) {
    const first = Math.max(0, i - neighbours), last = Math.min(texts.length, i + neighbours + 1);
    const names = given.size ? given : capitalised(texts.slice(first, last));
    const fresh = [], said = [];
    for (const word of new Set(words(texts[i]))) {
      const where = [];
      for (let at = first; at < last; at += 1) { if (at !== i && bags[at].has(word)) { where.push(at); } }
      if (!where.length) {
        if (!closed.has(word) && !names.has(word)) { fresh.push(word); }
      } else if (!closed.has(word) && !given.has(word)) { said.push([word, where]); }
    }
    return { fresh, said };
  }
  return { clean, words, seconds, wordsIn, why, nameWords, bag: (text) => new Set(words(text)), RUN, normal, fold, close: (list) => { closed = new Set(list); } };
}());
