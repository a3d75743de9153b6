"""Where speech leaves room for description, how many words fit, and whether a film needs pauses.

`plan.py` plans a run of the model; this module looks at a film's time alone, so it also serves describers who write
every word themselves. Gaps come from `intervals.speech_gaps`, the one place that finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from distinctad.formats.script import Script, ScriptCue, to_ms
from distinctad.intervals import GapRules, Interval, speech_gaps
from distinctad.plan import PathLike, name_of, probe_film
from distinctad.planner_rate import Rate, assumed
from distinctad.planner_speech import voice_activity
from distinctad.subtitles import Speech, subtitles_of

Advice = Literal["standard", "extended", "uncertain"]
FEWEST_WORDS = 4  # a subject, a verb and an object: below that a gap holds a name at best
LONGEST_WAIT_S = 45.0  # without a description: blind reviewers' complaint about stretches of silence
_MUCH, _LITTLE = 0.10, 0.03  # share of the film that can be spoken in
_ANCHOR_S = 1.0  # a split moves to a cut that is no farther


@dataclass(frozen=True)
class Gap:
    """A stretch free of speech, guard bands taken off.

    Attributes:
        start_s: its start in seconds.
        end_s: its end in seconds.
        place: "leading", "between", "trailing", or "whole" in a film without speech.
        cuts_s: the shot cuts inside, in seconds.
        words: the budget.
    """

    start_s: float
    end_s: float
    place: str
    cuts_s: tuple[float, ...]
    words: int

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True)
class TimePlan:
    """A film's time, for description.

    Attributes:
        film: its file name.
        duration_s: its length in seconds.
        speech: when somebody speaks.
        heard_by: "subtitles", "voice activity" or "no sound".
        gaps: where nobody does, in order.
        rate: whose words are counted.
        advice: "standard": the gaps are enough; "extended": the film must pause; "uncertain": a person must look.
        reason: why, in a sentence.
        warnings: what was repaired or assumed.
    """

    film: str
    duration_s: float
    speech: list[Speech]
    heard_by: str
    gaps: list[Gap]
    rate: Rate
    advice: Advice
    reason: str
    warnings: list[str]

    @property
    def speakable_s(self) -> float:
        """Seconds in all gaps."""
        return sum(gap.length_s for gap in self.gaps)


def plan_time(
    film: PathLike,
    subtitles: PathLike | None = None,
    rules: GapRules | None = None,
    rate: Rate | None = None,
    shots: bool = True,
) -> TimePlan:
    """Find a film's gaps, budgets and what kind of description it needs.

    Args:
        film: a video file.
        subtitles: SubRip, WebVTT, ASS or TTML; None: the voice activity detector listens.
        rules: shortest gap and guard bands.
        rate: of the voice that will speak; None: 2.5 words a second.
        shots: whether shot cuts are looked for (the film is decoded once).

    Returns:
        The plan.

    Raises:
        UserError: for whatever cannot be used; without subtitles, if there is no detector.
    """
    rules, rate, path = rules or GapRules(), rate or assumed(), Path(film)
    info = probe_film(path)
    speech, heard_by, warnings = hear(path, info.duration_s, info.has_audio, subtitles)
    cuts = find_cuts(path, info.duration_s, warnings) if shots else []
    gaps = find_gaps(speech, info.duration_s, rules, rate, cuts)
    advice, reason = advise(gaps, info.duration_s)
    if heard_by == "voice activity" and advice == "standard" and not speech:
        advice, reason = "uncertain", "no speech was heard at all: check that the detector knows these voices"
    return TimePlan(name_of(path), info.duration_s, speech, heard_by, gaps, rate, advice, reason, warnings)


def hear(
    film: Path, duration_s: float, has_audio: bool, subtitles: PathLike | None
) -> tuple[list[Speech], str, list[str]]:
    """Find out when somebody speaks.

    Args:
        film: the file.
        duration_s: its length in seconds.
        has_audio: whether it has sound.
        subtitles: a subtitle file, or None.

    Returns:
        The speech, where the knowledge comes from, and warnings.

    Raises:
        UserError: if the subtitles cannot be used or are another film's, or there is neither subtitle nor detector.
    """
    if subtitles is not None:
        speech, warnings = subtitles_of(Path(subtitles), duration_s)
        return speech, "subtitles", warnings
    from distinctad.audio.sound import sound_notes

    if not has_audio:
        return [], "no sound", [f"the film '{name_of(film)}' has no sound", *sound_notes(film)]
    note = "speech was heard by a detector, not read from subtitles: check the gaps by ear"
    return voice_activity(film, duration_s), "voice activity", [note, *sound_notes(film)]


def find_cuts(film: Path, duration_s: float, warnings: list[str]) -> list[float]:
    """Find shot cuts, seconds; a film that cannot be decoded to its end has those before, and a warning."""
    from distinctad.planner_shots import shot_cuts
    from modeling_distinctad.video_distinctad import VideoError, video_warnings

    with video_warnings():  # of the pictures, which are not asked for here
        try:
            return shot_cuts(film, duration_s)
        except VideoError:
            warnings.append("shot cuts could not be looked for: the pictures cannot be decoded")
            return []


def find_gaps(
    speech: Sequence[Speech], duration_s: float, rules: GapRules, rate: Rate, cuts_s: Sequence[float] = ()
) -> list[Gap]:
    """Find the gaps, whole, with their budgets.

    Args:
        speech: when somebody speaks, in any order.
        duration_s: the film's length in seconds.
        rules: shortest gap and guard bands; gaps are not split.
        rate: whose words are counted.
        cuts_s: shot cuts in seconds.

    Returns:
        The gaps in order, leading and trailing ones included.
    """
    whole = replace(rules, max_length_s=duration_s + 1.0)
    first = min((line.start_s for line in speech), default=duration_s)
    last = max((line.end_s for line in speech), default=0.0)
    gaps = []
    for found in speech_gaps(speech, duration_s, whole):
        if not speech:
            place = "whole"
        elif found.end_s <= first:
            place = "leading"
        else:
            place = "trailing" if found.start_s >= last else "between"
        inside = tuple(cut for cut in cuts_s if found.start_s <= cut < found.end_s)
        gaps.append(Gap(found.start_s, found.end_s, place, inside, rate.words_in(found.end_s - found.start_s)))
    return gaps


def slots(gaps: Sequence[Gap], rules: GapRules) -> list[Interval]:
    """Split gaps into intervals to describe, at shot cuts where one lies near.

    Args:
        gaps: as `find_gaps` gives them.
        rules: the longest interval and the shortest.

    Returns:
        The intervals in order; each gap is covered by its own.
    """
    found: list[Interval] = []
    for gap in gaps:
        # The one splitter of intervals; only its inner boundaries move here.
        # The guards are off the gap already, and may be wider than half of what they left.
        shortest_s = max(0.05, min(rules.min_gap_s, gap.length_s))
        even = speech_gaps([], gap.length_s, replace(rules, min_gap_s=shortest_s, guard_s=0.0))
        edges = [gap.start_s, *(gap.start_s + part.end_s for part in even[:-1]), gap.end_s]
        for i in range(1, len(edges) - 1):
            near = [cut for cut in gap.cuts_s if abs(cut - edges[i]) <= _ANCHOR_S]
            near = [
                cut
                for cut in near
                if min(cut - edges[i - 1], edges[i + 1] - cut) >= rules.min_gap_s
                and max(cut - edges[i - 1], edges[i + 1] - cut) <= rules.max_length_s
            ]
            edges[i] = min(near, key=lambda cut: abs(cut - edges[i]), default=edges[i])
        found += [Interval(round(a, 3), round(b, 3), "gap") for a, b in zip(edges, edges[1:], strict=False)]
    return found


def advise(gaps: Sequence[Gap], duration_s: float) -> tuple[Advice, str]:
    """Say what kind of description a film needs.

    Own choice, after a caption vendor's three answers: standard where gaps of at least four words come at least every
    45 s and make up a tenth of the film; extended where they make up less than 3 % or leave two minutes without any;
    else uncertain.

    Args:
        gaps: the gaps.
        duration_s: the film's length in seconds.

    Returns:
        The advice and the reason.
    """
    usable = [gap for gap in gaps if gap.words >= FEWEST_WORDS]
    reached, longest_s = 0.0, 0.0
    for gap in usable:
        longest_s, reached = max(longest_s, gap.start_s - reached), gap.end_s
    longest_s = max(longest_s, duration_s - reached)
    share = sum(gap.length_s for gap in usable) / duration_s
    said = (
        f"{len(usable)} gap(s) hold {FEWEST_WORDS} words or more, {share:.0%} of the film; "
        f"the longest wait is {longest_s:.0f} s"
    )
    if share >= _MUCH and longest_s <= LONGEST_WAIT_S:
        return "standard", said
    if share < _LITTLE or longest_s > 120.0:
        return "extended", said
    return "uncertain", said


def opportunities(found: TimePlan, rules: GapRules) -> Script:
    """Make a script of empty cues: where a describer may write.

    Args:
        found: the plan.
        rules: how long gaps are split.

    Returns:
        The script; each cue's provenance holds its budget in words.
    """
    cues = []
    for number, slot in enumerate(slots(found.gaps, rules), 1):
        budget: dict[str, Any] = {"words": found.rate.words_in(slot.end_s - slot.start_s), "rate": found.rate.voice}
        cues.append(ScriptCue(to_ms(slot.start_s), to_ms(slot.end_s), "", str(number), (), {"opportunity": budget}))
    return Script(tuple(cues), title=found.film, note=f"opportunities for description; advice: {found.advice}")
