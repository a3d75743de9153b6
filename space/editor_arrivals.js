// A draft that arrives, perhaps minutes after it was asked for: it is kept before anybody is asked anything, and who is at
// work in another script is neither asked nor moved.
window.distinctadArrivals = function (editor) {
  "use strict";
  const K = window.distinctadKept, UNKEPT = "This browser does not keep it: it would be lost.";

  // Whether the draft is to be opened now, in the place of the script that is open.
  function opens(data, film, name) {
    const { doc, log, stored, refused } = editor.state(), worth = log.length > 0 || refused;
    const here = document.getElementById("dad").contains(document.activeElement);
    if (!here && !worth) { return true; }
    const kept = shelve(data, name);
    editor.draw();
    if (here && kept) { editor.say("The draft of " + film + " is ready, in the list of kept scripts."); return false; }
    const left = stored ? "This browser keeps it with its edits, in the list of kept scripts." : UNKEPT;
    if (!worth || window.confirm("Leave the script of " + doc.film.name + "? " + left)) { return true; }
    editor.say("The draft of " + film + (kept ? " is in the list of kept scripts." : " is not opened, and this browser could not keep it."));
    return false;
  }
  // Keep a draft that is not opened yet; gives whether all of it is kept. Edits that are kept of it already stay.
  function shelve(data, name) {
    try {
      if (K.has(name) && K.edits(name).length) { return !data.edits.length; }
      K.keep(name, data, data.edits, editor.state().id);
      return true;
    } catch (error) { return false; }
  }
  // A draft that comes again without subtitles has the dialogue that is kept of it.
  function withDialogue(data, name) {
    if (data.speech.length || data.gaps.length) { return data; }
    const { work, id } = editor.state();
    try {
      const { speech, gaps } = name === id ? work : K.get(name).work;
      return Object.assign({}, data, { speech, gaps });
    } catch (error) { return data; }
  }
  function edits(name) { try { return K.edits(name); } catch (error) { return []; } }
  return { UNKEPT, opens, withDialogue, edits };
};
