"""What the Space does when a button is pressed or a program calls: thin functions over the package.

Each is an endpoint with a name of its own, and checks every input. They keep nothing between calls: the page holds the
work, the server the uploads of a visit until it ends.
"""

from __future__ import annotations

import functools
import html
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from distinctad.added import MOST_S
from distinctad.audio.voice import find_voice
from distinctad.describe import draft
from distinctad.edited import export_edited
from distinctad.errors import UserError, one_line
from distinctad.formats.convert import WRITERS, convert
from distinctad.plan import probe_film
from distinctad.planner import plan_time
from distinctad.planner_rate import assumed, measured_rate
from distinctad.review import replay
from distinctad.track import TrackSettings
from space import work
from space.examples import Examples
from space.limits import FILM_SUFFIXES, SUBTITLE_SUFFIXES, Limits, check_file
from space.visits import Visits
from space.zero_gpu import LENT, on_gpu

Given = ParamSpec("Given")
Made = TypeVar("Made")
LONGEST_LINE = 10_000  # characters
UNKNOWN = (
    "The dialogue is unknown: these files do not hold it. A line that is not sure to lie in a time without speech is "
    "heard in the extended film only, and the transcript has no dialogue. Open the script again with the film's "
    "subtitles to mend that."
)
SCRIPT_SUFFIXES = (".srt", ".vtt", ".csv", ".json", ".xml", ".ttml")


def told(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Say what a visitor got wrong in one line, escaped: the page shows messages as HTML, and they quote file names.

    Args:
        function: an endpoint.

    Returns:
        The endpoint, raising `gr.Error` for a `UserError`.
    """

    @functools.wraps(function)
    def safe(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        try:
            return function(*args, **kwargs)
        except UserError as error:
            raise gr.Error(html.escape(str(error), quote=False), duration=None, print_exception=False) from error

    return safe


def voice_name() -> str:
    """Name the voice that times the texts: "auto" where there is one, else "none" (times are assumed)."""
    try:
        find_voice()
    except UserError:
        return "none"
    return "auto"


@on_gpu
def _draft(film: Path, **given: Any) -> work.Work:
    """The one step that needs the model; on a lent GPU only its plain result comes back."""
    return work.of_draft(draft(film, **given))


class Desk:
    """The endpoints of one Space.

    Attributes:
        limits: how much a visitor may ask.
        visits: whose files lie where.
        examples: films to try it with.
    """

    def __init__(self, limits: Limits, visits: Visits) -> None:
        """Remember limits and visits; nothing is loaded yet."""
        self.limits, self.visits = limits, visits
        self.examples = Examples(visits.root / "examples")

    def arrived(self, files: Any, request: gr.Request) -> None:
        """Remember uploads as soon as they are there, so that they go when the visit ends."""
        paths = files if isinstance(files, list) else [files]
        self.visits.holds(request.session_hash, *(Path(path) for path in paths if path))

    def left(self, request: gr.Request) -> None:
        """Delete what a visit left."""
        self.visits.end(request.session_hash)

    @told
    def describe_film(
        self,
        film: str | None,
        subtitles: str | None,
        cast: list[str] | None,
        naming: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how the library finds out that progress is wanted
    ) -> tuple[dict[str, Any], str]:
        """Draft the audio description of a film. Every text is an unreviewed machine draft.

        Args:
            film: the film, a video file.
            subtitles: its subtitles (SubRip, WebVTT, ASS, TTML); without them a detector listens for speech.
            cast: one cast file (JSON or CSV with id, name, actor, portrait) and the portraits that it names.
            naming: "early", or "after-reveal": nobody is named before dialogue does.
            request: the server's, tells visits apart.
            progress: the server's.

        Returns:
            The work (draft, dialogue, gaps, the voice's rate), and a sentence about it.
        """
        path, lines = self._film(film), self._subtitles(subtitles)
        uploads = [Path(one) for one in cast or ()]
        self.visits.holds(request.session_hash, path, lines, *uploads)
        settings = TrackSettings(voice_name(), naming=naming)  # type: ignore[arg-type]

        def step(done: int, total: int) -> None:
            progress((done, total), desc="Describing", unit="lines")

        # The cast lies together for the length of this call.
        with tempfile.TemporaryDirectory(prefix="cast_", dir=self.visits.uploads) as folder:
            people = work.gather_cast(cast, Path(folder), self.limits)
            key = self.examples.key(path, lines, uploads, settings)
            packed = self.examples.kept(key)
            if packed is None:
                progress(0.0, desc="Listening for speech")
                # What goes to a lent GPU goes to another process: files and settings can, a function here cannot.
                given: dict[str, Any] = {} if LENT else {"progress": step}
                packed = _draft(path, subtitles=lines, cast=people, track=settings, **given).packed()
                self.examples.keep(key, packed)
        return packed, _sentence(work.unpack(packed, self.limits))

    @told
    def open_script(
        self, script: str | None, log: str | None, subtitles: str | None = None
    ) -> tuple[dict[str, Any], str]:
        """Open a descriptions.json, and if there is one the edit log that belongs to it, for editing.

        Args:
            script: descriptions.json, or descriptions.draft.json with a log.
            log: edit-log.json.
            subtitles: the film's; without them nobody knows where people speak.

        Returns:
            The work, and a sentence about it.
        """
        opened = work.of_files(script, log, self.limits, subtitles)
        return opened.packed(), _sentence(opened)

    @told
    def plan_film(self, film: str | None, subtitles: str | None) -> tuple[dict[str, Any], str]:
        """Find where speech leaves room for description; no model is run.

        Args:
            film: the film, a video file.
            subtitles: its subtitles; without them a detector listens for speech.

        Returns:
            Advice ("standard", "extended" or "uncertain"), its reason, and the gaps in seconds with word budgets; and
            the same in a sentence.
        """
        rate = measured_rate() if voice_name() == "auto" else assumed()
        found = plan_time(self._film(film), self._subtitles(subtitles), rate=rate, shots=False)
        gaps = [{"start_s": gap.start_s, "end_s": gap.end_s, "words": gap.words} for gap in found.gaps]
        words = sum(gap.words for gap in found.gaps)
        said = f"{len(gaps)} gaps, {found.speakable_s:.0f} s in all, hold about {words} words. {found.reason}."
        plan = {"advice": found.advice, "reason": found.reason, "gaps": gaps, "rate": found.rate.voice}
        return plan, f"<p>Advice: {found.advice} description. {html.escape(said)}</p>"

    @told
    def check_line(self, text: str, room_s: float) -> dict[str, Any]:
        """Say whether a text can be spoken in a stretch of time.

        Args:
            text: a description.
            room_s: seconds without speech.

        Returns:
            Seconds that the voice takes, whether that fits, and how many words the room holds.
        """
        if not isinstance(text, str) or len(text) > LONGEST_LINE:
            said = f"{len(text)} characters long" if isinstance(text, str) else one_line(repr(text), 40)
            raise UserError(f"the text is {said}", f"Give a text of at most {LONGEST_LINE} characters.")
        room_s = _within(room_s, "room_s", 0, MOST_S)
        rate = measured_rate() if voice_name() == "auto" else assumed()
        seconds = rate.seconds(text)
        words = rate.words_in(room_s)
        return {"seconds": round(seconds, 2), "fits": seconds <= room_s, "words_in_room": words, "rate": rate.voice}

    @told
    def convert_script(self, script: str | None, to: str, request: gr.Request) -> str:
        """Convert a description script to another format.

        Args:
            script: a .srt, .vtt, .csv, .json, .xml or .ttml file.
            to: the new ending: .srt, .vtt, .csv, .json, .xml (W3C DAPT), .ttml or .txt (a script to read aloud).
            request: the server's.

        Returns:
            The new file. What was assumed or cannot be carried over is shown as a warning.
        """
        source = check_file(script, "script", SCRIPT_SUFFIXES, self.limits.text_mb)
        if to not in WRITERS:
            raise UserError(f"the format is '{one_line(str(to), 20)}'", f"Give one of {', '.join(WRITERS)}.")
        self.visits.holds(request.session_hash, source)
        notes: list[str] = []
        with self.visits.folder(request.session_hash, "script") as folder:
            target = folder / f"script{to}"
            gone = convert(source, target, notes=notes)
        if gone:
            notes.append(f"{to} cannot hold: {', '.join(gone)}")
        for said in notes:
            gr.Warning(html.escape(one_line(said), quote=False))  # the page shows messages as HTML
        return str(target)

    @told
    def export_texts(self, script: dict[str, Any], request: gr.Request) -> list[str]:
        """Write a script in work as text files: CSV, JSON, SubRip, WebVTT, W3C DAPT, transcripts and a page.

        Args:
            script: the work, as describe_film gives it, with the edits.
            request: the server's.

        Returns:
            The files, the draft and the edit log among them.
        """
        given = work.unpack(script, self.limits)
        with self.visits.folder(request.session_hash, "texts") as folder:
            made = export_edited(given.draft, given.edits, folder / "texts", speech=given.dialogue)
        return [str(path) for path in made]

    @told
    def export_all(
        self,
        script: dict[str, Any],
        film: str | None,
        duck_db: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[str]:
        """Write a script in work as every file, sound and films too. The voice is synthetic and labelled so.

        Args:
            script: the work, as describe_film gives it, with the edits.
            film: the film that was described.
            duck_db: gain of the film's sound under a description, in decibels, -30 to 0.
            request: the server's.
            progress: the server's.

        Returns:
            The files. Which lines are too long for their place is shown as a warning.
        """
        given = work.unpack(script, self.limits)
        self._speakable(given)
        path = self._film(film)
        self.visits.holds(request.session_hash, path)
        settings = TrackSettings(voice_name(), duck_db=_within(duck_db, "duck_db", -30, 0))
        progress(0.1, desc="Speaking, mixing, writing films")
        late: list[int] = []
        more: dict[str, Any] = {"speech": given.dialogue, "film": path, "track": settings, "too_long": late}
        with self.visits.folder(request.session_hash, "all") as folder:
            made = export_edited(given.draft, given.edits, folder / "all", **more)
        if late:
            said = f"{len(late)} line(s) too long for the place, heard in the extended film only: line "
            gr.Warning(one_line(said + ", ".join(map(str, late))))
        return [str(one) for one in made]

    @told
    def example(self, number: int, request: gr.Request) -> tuple[str, str, list[str]]:
        """Give an example film with its subtitles and cast; drawn when first asked for.

        Args:
            number: 1, 2 or 3.
            request: the server's.

        Returns:
            Film, subtitles, and the cast's files.
        """
        found = self.examples.film(number)
        # Copies of the visit's own: the server would hand everybody the same one, and the first to leave delete it.
        with self.visits.folder(request.session_hash, found.film.name) as here:
            files = (found.film, found.subtitles, *found.cast)
            film, subtitles, *cast = (str(shutil.copy(path, here)) for path in files)
        return film, subtitles, cast

    def _speakable(self, given: work.Work) -> None:
        """Refuse a script that takes longer to speak than the longest film: every second of sound is kept in memory."""
        cues = replay(given.draft, given.edits)["cues"]
        said_s = sum(assumed().seconds(cue["text"]) for cue in cues)
        if said_s > self.limits.film_s:
            message = f"the script takes some {said_s:.0f} s to speak, more than {self.limits.film_s}"
            raise UserError(message, "Shorten it, or run distinctad on your own machine.")

    def _film(self, film: str | None) -> Path:
        path = check_file(film, "film", FILM_SUFFIXES, self.limits.film_mb)
        length_s = probe_film(path).duration_s
        if length_s > self.limits.film_s:
            message = f"the film '{one_line(path.name, 80)}' lasts {length_s:.0f} s, more than {self.limits.film_s}"
            raise UserError(message, "Give a part of it, or run distinctad on your own machine.")
        return path

    def _subtitles(self, subtitles: str | None) -> Path | None:
        if not subtitles:
            return None
        return check_file(subtitles, "subtitle file", SUBTITLE_SUFFIXES, self.limits.text_mb)


def _within(value: Any, name: str, low: float, high: float) -> float:
    """A finite number in a range; programs send true, null, NaN and texts too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UserError(f"{name} is {one_line(repr(value), 40)}", f"Give a number from {low:.0f} to {high:.0f}.")
    return float(value)


def _sentence(opened: work.Work) -> str:
    """Say what was opened, as HTML; what is quoted is escaped."""
    document = opened.draft
    every = [*document["warnings"], *opened.notes, *([UNKNOWN] if opened.dialogue is None else [])]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in every)
    said = (
        f"{len(document['cues'])} drafts for {html.escape(document['film']['name'])}. Check and edit every line below."
    )
    return f"<p>{said}</p>" + (f"<ul>{notes}</ul>" if notes else "")
