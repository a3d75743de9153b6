"""From drafts to a whole description track: fitted texts, a voice, the mix, the films and the page (`--export all`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from distinctad.errors import UserError
from distinctad.formats import captions, dapt
from distinctad.formats.reading import narrator_script, transcript
from distinctad.formats.script import Script, script_of
from distinctad.introduce import Naming, introduce, reveals
from distinctad.plan import PathLike, Plan, name_of
from distinctad.planner import find_gaps, hear, slots
from distinctad.planner_fit import BREATH_S, Fitted, Room, fit, rooms
from distinctad.planner_rate import Rate, assumed, calibrate
from distinctad.subtitles import Speech
from distinctad.unsaid import UNSAID, is_unsaid

if TYPE_CHECKING:
    from distinctad.audio.mix import Pause, Spot
    from distinctad.audio.sound import Programme

Export = Literal["text", "all"]

CANDIDATES = 4  # on 18 films a third less of repeated words, distinctive words 1 to 2 points less precise (docs/LOG.md)
FOR_ALL = ("voice", "duck", "candidates")  # options of command lines that only --export all reads
TEXT_FILES = ("descriptions.dapt.xml", "transcript.txt", "script-for-narrator.txt", "player.html")
MEDIA_FILES = ("narration.wav", "mix.wav", "described.mp4", "extended.mp4")
CAPTION_FILES = ("described.captions.vtt", "extended.captions.vtt")  # of films whose dialogue is known


@dataclass(frozen=True)
class TrackSettings:
    """How drafts become a track.

    Attributes:
        voice: "auto" or a voice's name.
        duck_db: gain of the programme under a description, in dB, -30 to 0.
        candidates: texts a clip to choose among, 1 to 4: the best of its beam search.
        naming: "early", or "after-reveal": nobody is named before dialogue does.
    """

    voice: str = "auto"
    duck_db: float = -10.0
    candidates: int = CANDIDATES
    naming: Naming = "early"

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            UserError: naming the value and the range.
        """
        if not -30 <= self.duck_db <= 0:
            raise UserError(f"duck_db is {self.duck_db}", "Give decibels from -30 to 0.")
        if not 1 <= self.candidates <= 4:
            raise UserError(f"candidates is {self.candidates}", "Give a whole number from 1 to 4.")
        if self.naming not in ("early", "after-reveal"):
            raise UserError(f"naming is '{self.naming}'", "Give early or after-reveal.")


def heard_voice(settings: TrackSettings) -> Any:
    """The voice of `--export all`, which must be heard.

    Raises:
        UserError: if nobody would speak, or there is no such voice.
    """
    from distinctad.audio.voice import find_voice

    if settings.voice == "none":
        raise UserError("--export all has no voice to speak with", "Give another --voice, or --export text.")
    return find_voice(settings.voice)


def refuse_unread(context: Any, export: Export) -> None:
    """Refuse options of a command line that would do nothing: whoever gave one expects to hear of it.

    Args:
        context: typer's.
        export: what is to be written.

    Raises:
        UserError: for an option that only `--export all` reads.
    """
    given = [f"--{name}" for name in FOR_ALL if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"]
    if given and export != "all":
        raise UserError(f"{given[0]} counts for --export all only", f"Add --export all, or leave {given[0]} out.")


class Track:
    """A film's description track in the making.

    Attributes:
        job: what is described; without subtitles and intervals the gaps that the detector left.
        speech: when somebody speaks.
        settings: how drafts become a track.
    """

    def __init__(
        self,
        job: Plan,
        subtitles: PathLike | None,
        settings: TrackSettings,
        speech: Sequence[Speech] | None = None,
        places: Sequence[Room] | None = None,
    ) -> None:
        """Find the voice and the speech, before any model is loaded.

        `speech` is for those who know it already; `places`, one an interval, for those who do not but know where each
        description may be heard.

        Raises:
            UserError: if there is no voice, or nothing that says when people speak.
        """
        from distinctad.audio.sound import sound_notes
        from distinctad.audio.voice import Unvoiced, find_voice

        self.settings = settings
        self.voice = find_voice(settings.voice)
        notes: list[str] = []
        if speech is not None:
            self.speech = list(speech)
        else:
            self.speech, _, notes = hear(job.film, job.info.duration_s, job.info.has_audio, subtitles)
        unvoiced = isinstance(self.voice, Unvoiced)
        self.rate: Rate = assumed() if unvoiced else calibrate(self.voice.name, self.voice.seconds)
        # Of a file's intervals the plan says that subtitles were not used; here they say when people speak.
        warnings = [note for note in job.warnings if not note.startswith("the subtitles were not used")]
        warnings += [note for note in (*notes, *sound_notes(job.film)) if note not in warnings]
        if job.origin == "even":
            gaps = find_gaps(self.speech, job.info.duration_s, job.settings.gaps, self.rate)
            if not gaps:
                raise UserError(f"speech leaves no gap in the film '{job.film.name}'", "Lower --min-gap.")
            kept = [warning for warning in warnings if not warning.startswith("no subtitles and no intervals")]
            origin, intervals = ("gap", slots(gaps, job.settings.gaps)) if self.speech else ("even", job.intervals)
            job = replace(job, intervals=intervals, origin=origin, warnings=kept)
        else:
            job = replace(job, warnings=warnings)
        self.job = job
        self._rooms: list[Room] = (
            rooms(job.intervals, self.speech, job.info.duration_s, job.settings.gaps)
            if places is None
            else list(places)
        )
        self._fitted: list[Fitted] = []
        self._said: list[str] = []

    def fitted(self, document: Mapping[str, Any], options: Sequence[Sequence[tuple[str, float]]]) -> dict[str, Any]:
        """Choose, shorten and place the texts.

        Args:
            document: as `describe` makes it, one cue an interval.
            options: for each cue its texts with their scores, best first.

        Returns:
            The document with what is said, when, and how it came to be, cue by cue.
        """
        names = [person.name for person in self.job.cast]
        told = [[text for text, _ in texts] for texts in options]
        if self.settings.naming == "after-reveal" and names:
            known, times = reveals(names, self.speech), [place.start_s for place in self._rooms]
            if unheard := [name for name, since_s in known.items() if math.isinf(since_s)]:
                self._said.append(f"dialogue never names {', '.join(unheard)}, so no description does")
            for rank in range(max(len(texts) for texts in told)):
                column = introduce([texts[min(rank, len(texts) - 1)] for texts in told], times, known)
                told = [
                    [*texts[:rank], new, *texts[rank + 1 :]] if rank < len(texts) else texts
                    for texts, new in zip(told, column, strict=True)
                ]
        scored = [
            [(text, score) for text, (_, score) in zip(texts, given, strict=True)]
            for texts, given in zip(told, options, strict=True)
        ]
        # A placeholder keeps its room, for the text that a person will write.
        placed = fit(self._rooms, scored, self.voice.seconds, self.rate, names)
        self._fitted = [
            replace(found, text=found.draft, how=UNSAID) if is_unsaid(found.draft, cue["provenance"]) else found
            for cue, found in zip(document["cues"], placed, strict=True)
        ]
        cues = [self._cue(document, *found) for found in zip(document["cues"], self._fitted, self._rooms, strict=True)]
        return {**document, "cues": cues, "warnings": [*document["warnings"], *self._warnings()]}

    def _cue(self, document: Mapping[str, Any], cue: Mapping[str, Any], found: Fitted, place: Room) -> dict[str, Any]:
        from distinctad.audio.voice import label

        end_s = _own_end_s(cue, place, found.start_s) if found.how in ("extended", UNSAID) else found.end_s
        spoken = {"fit": found.how, "spoken_s": round(found.spoken_s, 3), "voice": label(self.voice)}
        provenance = {
            **cue["provenance"],
            "model": document["model"]["name"],
            "revision": document["model"]["sha256"],
            "seed": document["generation"]["seed"],
            "edited": False,
            "draft": found.draft,
            "alternatives": list(found.others),
            "room_s": [round(place.start_s, 3), round(place.end_s, 3)],
            **({} if found.how == UNSAID else spoken),
        }
        times = {"start_s": round(found.start_s, 3), "end_s": round(end_s, 3)}
        return {**cue, **times, "text": found.text, "provenance": provenance}

    def as_edited(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Take the texts as a person left them: nothing is chosen, shortened or moved, only measured.

        Args:
            document: the final script, one cue an interval of the job, in the same order.

        Returns:
            The document with what the voice takes for each text; one that would be spoken over dialogue or into the
            next description is left to the extended version, and a placeholder is not spoken at all.
        """
        from distinctad.audio.voice import label

        cues, self._fitted = [], []
        for cue, place, next_s in zip(document["cues"], self._rooms, _following_s(document["cues"]), strict=True):
            text, start_s, before = cue["text"], float(cue["start_s"]), cue["provenance"]
            if is_unsaid(text, before):
                self._fitted.append(Fitted(text, text, start_s, 0.0, UNSAID, ()))
                bare = {name: value for name, value in before.items() if name not in ("fit", "spoken_s", "voice")}
                cues.append({**cue, "provenance": bare})
                continue
            spoken_s = self.voice.seconds(text)
            limit_s = min(place.free_to_s, next_s - BREATH_S)
            fits = place.end_s > place.start_s and place.free_from_s - 1e-3 <= start_s
            how = "whole" if fits and start_s + spoken_s <= limit_s + 1e-3 else "extended"
            rest = tuple(before.get("alternatives", ()))
            self._fitted.append(Fitted(text, before.get("draft", text), start_s, spoken_s, how, rest))
            end_s = start_s + spoken_s if how == "whole" else _own_end_s(cue, place, start_s)
            measured = {"spoken_s": round(spoken_s, 3), "voice": label(self.voice), "fit": how}
            if not before.get("edited") and how == "whole" and before.get("fit") != "extended":
                measured["fit"] = before.get("fit", how)  # what was shortened or moved stays known
            cues.append({**cue, "end_s": round(end_s, 3), "provenance": {**before, **measured}})
        return {**document, "cues": cues, "warnings": [*document["warnings"], *self._warnings()]}

    def _warnings(self) -> list[str]:
        count = sum(found.how == "extended" for found in self._fitted)
        left = [f"{count} description(s) do not fit and are heard in extended.mp4 only"] if count else []
        empty = sum(found.how == UNSAID for found in self._fitted)
        unsaid = [f"{empty} description(s) are placeholders and spoken nowhere: a person must write them"]
        return [*self._said, *self._drowned(), *left, *(unsaid if empty else [])]

    def _drowned(self) -> list[str]:
        """Say that the film is too loud under descriptions, however it is lowered, and what would do."""
        from distinctad.audio import mix, sound
        from distinctad.audio.voice import Unvoiced

        told = [(found.start_s, found.end_s) for found in self._fitted if found.how not in ("extended", UNSAID)]
        if isinstance(self.voice, Unvoiced) or not self.job.info.has_audio or not told:
            return []
        programme = sound.programme_of(self.job.film, self.job.info.duration_s)
        levels = mix.levels_db(sound.blocks(self.job.film, programme), told, programme.rate_hz)
        limit_db = mix.LEVEL_DB - mix.CLEAR_DB
        if not (count := sum(level + self.settings.duck_db > limit_db for level in levels)):
            return []
        wanted = max(-30, math.floor(limit_db - max(levels)))
        near = f"under {count} description(s) the film is less than {mix.CLEAR_DB:g} dB below the voice"
        return [f"{near}: --duck {wanted} lowers it further"]

    def texts(self, document: Mapping[str, Any]) -> dict[str, str]:
        """Write the text files that `TEXT_FILES` names.

        Args:
            document: as `fitted` returned it.

        Returns:
            The text of each file, by file name.
        """
        from distinctad.audio.voice import label
        from distinctad.player import page

        script = script_of(document)
        spoken = {cue.id for cue, found in zip(script.cues, self._fitted, strict=True) if found.how != "extended"}
        files = [
            ("described.mp4", "Film with the described sound track"),
            ("extended.mp4", "Film that pauses for long descriptions"),
            ("mix.wav", "Described sound alone"),
            ("transcript.txt", "Transcript of dialogue and descriptions"),
            ("descriptions.vtt", "Descriptions as WebVTT"),
            ("descriptions.dapt.xml", "Descriptions as W3C DAPT"),
        ]
        if self._captions(()):
            says = ("Dialogue as captions", "Dialogue as captions of the film that pauses")
            files += zip(CAPTION_FILES, says, strict=True)
        html = page(
            script,
            self.speech,
            "described.mp4",
            narration="narration.wav",
            voice=label(self.voice),
            recorded=spoken,
            ducked=10 ** (self.settings.duck_db / 20),
            silent=not self.job.info.has_audio,
            files=files,
        )
        made = (dapt.write(script), transcript(script, self.speech), narrator_script(script, self.speech), html)
        return dict(zip(TEXT_FILES, made, strict=True))

    def makers(self, script: Script) -> dict[str, Callable[[Path], None]]:
        """Say how each of `MEDIA_FILES` is written, and where the dialogue is known each of `CAPTION_FILES`.

        Args:
            script: the fitted script, for its language and its note.

        Returns:
            For each file name a function of the path.
        """
        from distinctad.audio import mix, mux, sound
        from distinctad.audio.tags import Tags
        from distinctad.audio.voice import label

        film = self.job.film
        tags = Tags(name_of(film), label(self.voice), script.language, script.note)
        programme = sound.programme_of(film, self.job.info.duration_s)
        spots, later, pauses = self._spots(programme)
        duck = mix.Duck(self.settings.duck_db, min(0.15, max(0.02, self.job.settings.gaps.guard_s)))
        longer = replace(programme, duration_s=programme.duration_s + sum(pause.length_s for pause in pauses))

        def inline() -> Any:
            told = mix.mixed(sound.blocks(film, programme), spots, programme.rate_hz, duck)
            return sound.limited(told, programme)

        def paused() -> Any:
            told = mix.mixed(sound.blocks(film, programme), later, programme.rate_hz, duck, pauses)
            return sound.limited(told, programme)

        def narration(path: Path) -> None:
            alone = mix.narration(spots, programme.rate_hz, programme.samples)
            sound.write_wav(path, alone, replace(programme, layout="mono"), tags.file())

        media: dict[str, Callable[[Path], None]] = {
            "narration.wav": narration,
            "mix.wav": lambda path: sound.write_wav(path, inline(), programme, tags.file()),
            "described.mp4": lambda path: mux.write_described(film, path, inline(), programme, tags),
            "extended.mp4": lambda path: mux.write_extended(film, path, paused(), longer, pauses, tags),
        }
        return {**media, **self._captions(pauses)}

    def _captions(self, pauses: Sequence[Pause]) -> dict[str, Callable[[Path], None]]:
        """How the dialogue is written beside the films; they carry no subtitles of the original."""
        from distinctad.audio import mix

        said = [line for line in self.speech if line.text and line.start_s < self.job.info.duration_s]
        later = [Speech(*mix.delayed(line.start_s, line.end_s, pauses), line.text) for line in said]
        made = zip(CAPTION_FILES, (said, later), strict=True)
        return {name: partial(_write_captions, lines) for name, lines in made if lines}

    def _spots(self, programme: Programme) -> tuple[list[Spot], list[Spot], list[Pause]]:
        """The descriptions as sound for the film's own time, and for the extended version with its pauses."""
        from distinctad.audio import mix, sound
        from distinctad.audio.stops import placed

        def say(text: str) -> Any:
            return mix.levelled(sound.resample(self.voice.speak(text), self.voice.rate_hz, programme.rate_hz))

        told = [pair for pair in zip(self._fitted, self._rooms, strict=True) if pair[0].how != UNSAID]
        return placed(told, say, self.speech, self.job.settings.gaps.guard_s, programme.duration_s)


def _following_s(cues: Sequence[Mapping[str, Any]]) -> list[float]:
    """For each cue when the next one that is spoken starts, in seconds; infinity after the last."""
    found, next_s = [], math.inf
    for cue in reversed(cues):
        found.append(next_s)
        if not is_unsaid(cue["text"], cue["provenance"]):
            next_s = float(cue["start_s"])
    return found[::-1]


def _own_end_s(cue: Mapping[str, Any], place: Room, start_s: float) -> float:
    """When a cue ends that is not spoken in the film's own time: with its room, or as it did where it has none."""
    end_s = place.end_s if place.end_s > place.start_s else float(cue["end_s"])
    return max(end_s, start_s + 0.1)


def _write_captions(lines: Sequence[Speech], path: Path) -> None:
    path.write_text(captions.write(lines), encoding="utf-8", newline="")
