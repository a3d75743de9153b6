"""A film in, audio-description drafts out: checks, intervals, the model's pipeline, exports.

Everything heavy is imported where it is used, so that `import distinctad` and the command line's help stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from datasets_scripts.memory import is_out_of_memory
from distinctad import exports
from distinctad.beams import Texts, kept_beams
from distinctad.document import document_of
from distinctad.errors import UserError
from distinctad.formats.script import script_of
from distinctad.intervals import Interval
from distinctad.introduce import introduce, reveals
from distinctad.plan import PathLike, Plan, Settings, name_of, plan, reason_of, without_path
from distinctad.planner import find_gaps
from distinctad.planner_rate import Rate
from distinctad.subtitles import Speech, subtitles_of
from distinctad.track import CAPTION_FILES, MEDIA_FILES, TEXT_FILES, Export, Track, TrackSettings, heard_voice
from distinctad.unsaid import PLACEHOLDER

Pipe = Callable[..., list[dict[str, Any]]]
Progress = Callable[[int, int], None]
Options = list[list[tuple[str, float]]]  # for each cue its texts with scores

ALL_FILES = (*exports.FILES, *TEXT_FILES, *MEDIA_FILES, *CAPTION_FILES)
FORCED_LENGTHS = (2, 8)  # shortest lengths in tokens that an empty text is tried again with: one may be a blank


@dataclass(frozen=True)
class Described:
    """What came out.

    Attributes:
        document: the descriptions, as `descriptions.schema.json` says.
        files: what was written, empty if nothing was to be.
    """

    document: dict[str, Any]
    files: list[Path]

    @property
    def cues(self) -> list[dict[str, Any]]:
        """The document's cues."""
        return list(self.document["cues"])


def describe(
    film: PathLike,
    out: PathLike | None = None,
    *,
    subtitles: PathLike | None = None,
    cast: PathLike | None = None,
    intervals: PathLike | None = None,
    model: PathLike | None = None,
    settings: Settings | None = None,
    overwrite: bool = False,
    pipe: Pipe | None = None,
    about: dict[str, Any] | None = None,
    progress: Progress | None = None,
    export: Export = "text",
    track: TrackSettings | None = None,
) -> Described:
    """Describe a film.

    Args:
        film: a video file.
        out: the folder for descriptions.csv, .json, .srt and .vtt; None writes nothing.
        subtitles: SubRip, WebVTT, ASS or TTML; without `intervals` the gaps between its lines are described.
        cast: a cast file with portraits.
        intervals: a CSV file of what to describe; only its times are read.
        model: a checkpoint folder or hub id; None is the pocket checkpoint.
        settings: how to describe.
        overwrite: whether an earlier run's files in `out` may be replaced.
        pipe: a `DistinctADPipeline` or a stand-in, called instead of loading `model`.
        about: where `pipe` comes from, as `load_pipeline` says it; None: the document says "given pipeline".
        progress: called with clips done and clips in all.
        export: "text" writes the four files of `exports.FILES`; "all" fits the texts to a voice and writes the scripts,
            sound, films and page of `track` too.
        track: how drafts become a track; "text" heeds its `naming` alone, since nobody speaks.

    Returns:
        The document, one cue with a text for each interval, and the files.

    Raises:
        UserError: for whatever cannot be used; then nothing is left in `out`.
    """
    job = plan(film, subtitles=subtitles, cast=cast, intervals=intervals, settings=settings)
    reads = (film, subtitles, cast)  # not `intervals`: the same times may be described again, into the same folder
    if export == "all":
        if out is None:
            raise UserError("--export all has no folder to write to", "Give --out.")
        made = _spoken(job, subtitles, track)
        place = exports.OutputFolder(Path(out), overwrite, ALL_FILES, "another --out", reads)
        return _describe_all(made, place, model, pipe, progress, about)
    known: dict[str, float] = {}
    if track is not None and track.naming == "after-reveal" and job.cast:
        job, known = _waiting(job, subtitles)
    if out is None:
        return Described(_named(_run(job, model, pipe, progress, about=about)[0], known), [])
    earlier = (Path(out) / exports.FILES[0]).exists()  # then files of these names are its own, and go with it
    names = ALL_FILES if earlier else exports.FILES
    with exports.OutputFolder(Path(out), overwrite, names, "another --out", reads) as folder:
        document = _named(_run(job, model, pipe, progress, about=about)[0], known)
        return Described(document, folder.write(exports.texts_of(document)))


def rehearse(
    film: PathLike,
    *,
    subtitles: PathLike | None = None,
    cast: PathLike | None = None,
    intervals: PathLike | None = None,
    settings: Settings | None = None,
    export: Export = "text",
    track: TrackSettings | None = None,
) -> Plan:
    """Settle what `describe` would describe, without its model: for "all" the film is listened to as there.

    Args:
        film: as in `describe`, like all that follow.
        subtitles: the same.
        cast: the same.
        intervals: the same.
        settings: the same.
        export: the same.
        track: the same.

    Returns:
        The plan, with the intervals that `describe` would take.

    Raises:
        UserError: for whatever cannot be used.
    """
    job = plan(film, subtitles=subtitles, cast=cast, intervals=intervals, settings=settings)
    return _spoken(job, subtitles, track).job if export == "all" else job


def _spoken(job: Plan, subtitles: PathLike | None, settings: TrackSettings | None) -> Track:
    """The track of `--export all`, which needs a voice that can be heard and a film that can be copied."""
    from distinctad.audio.mux import require_mp4

    settings = settings or TrackSettings()
    heard_voice(settings)
    require_mp4(job.film)
    return Track(job, subtitles, settings)


def _waiting(job: Plan, subtitles: PathLike | None) -> tuple[Plan, dict[str, float]]:
    """The job with true warnings, and since when (s) dialogue has named each of the cast."""
    # Of a file's intervals the plan says that subtitles were not used; here they say who is known.
    said = [warning for warning in job.warnings if not warning.startswith("the subtitles were not used")]
    speech: list[Speech] = []
    if subtitles is None:
        said.append("no subtitles say when dialogue names people, so no description names anybody")
    else:
        speech = subtitles_of(Path(subtitles), job.info.duration_s)[0]
    return replace(job, warnings=said), reveals([person.name for person in job.cast], speech)


def _named(document: dict[str, Any], known: Mapping[str, float]) -> dict[str, Any]:
    """Take names out of texts that come before dialogue gives them; an empty `known` lets everybody be named."""
    if not known:
        return document
    told = introduce([cue["text"] for cue in document["cues"]], [cue["start_s"] for cue in document["cues"]], known)
    cues = [
        {**cue, "text": text, "provenance": {**cue["provenance"], "draft": cue["text"]}} if text != cue["text"] else cue
        for cue, text in zip(document["cues"], told, strict=True)
    ]
    return {**document, "cues": cues}


@dataclass(frozen=True)
class Draft:
    """A description track before anyone has looked at it: what an editor begins with.

    Attributes:
        document: the fitted descriptions, alternatives in each cue's provenance.
        speech: when somebody speaks, and what.
        gaps: (start, end) in seconds of the stretches where nobody does.
        rate: of the voice that will speak, or the assumed one.
    """

    document: dict[str, Any]
    speech: list[Speech]
    gaps: list[tuple[float, float]]
    rate: Rate


def draft(
    film: PathLike,
    *,
    subtitles: PathLike | None = None,
    cast: PathLike | None = None,
    model: PathLike | None = None,
    settings: Settings | None = None,
    pipe: Pipe | None = None,
    progress: Progress | None = None,
    track: TrackSettings | None = None,
) -> Draft:
    """Describe a film for an editor: texts fitted to their gaps, with alternatives; nothing is written.

    Args:
        film: a video file.
        subtitles: SubRip, WebVTT, ASS or TTML; None: the voice activity detector listens.
        cast: a cast file with portraits.
        model: a checkpoint folder or hub id; None is the pocket checkpoint.
        settings: how to describe.
        pipe: a `DistinctADPipeline` or a stand-in, called instead of loading `model`.
        progress: called with clips done and clips in all.
        track: how drafts become a track; the voice "none" plans with an assumed rate.

    Returns:
        The draft.

    Raises:
        UserError: for whatever cannot be used.
    """
    job = plan(film, subtitles=subtitles, cast=cast, settings=settings)
    made = Track(job, subtitles, track or TrackSettings())
    document = made.fitted(*_run(made.job, model, pipe, progress, made.settings.candidates))
    free = find_gaps(made.speech, job.info.duration_s, job.settings.gaps, made.rate)
    return Draft(document, made.speech, [(gap.start_s, gap.end_s) for gap in free], made.rate)


def _describe_all(
    track: Track,
    place: exports.OutputFolder,
    model: PathLike | None,
    pipe: Pipe | None,
    progress: Progress | None,
    about: dict[str, Any] | None,
) -> Described:
    with place as folder:
        document = track.fitted(*_run(track.job, model, pipe, progress, track.settings.candidates, about))
        texts = {**exports.texts_of(document), **track.texts(document)}
        return Described(document, folder.write(texts, track.makers(script_of(document))))


def _run(
    job: Plan,
    model: PathLike | None,
    pipe: Pipe | None,
    progress: Progress | None,
    candidates: int = 1,
    about: dict[str, Any] | None = None,
) -> tuple[dict[str, Any], Options]:
    """Load the model if none is given, describe, make the document; and for each cue its candidates, best first.

    Candidates are the beams of the one search; a pipeline without a model (a stand-in) or beams gives one a clip.
    """
    from distinctad.loading import load_pipeline, seeded

    with seeded(job.settings.seed):  # a model's own settings may ask for sampling
        if pipe is None:
            pipe, about = load_pipeline(model, job.settings.device, job.settings.dtype, job.settings.seed)
        return _told(job, pipe, progress, candidates, about)


def _told(
    job: Plan, pipe: Pipe, progress: Progress | None, candidates: int, about: dict[str, Any] | None
) -> tuple[dict[str, Any], Options]:
    asked = {"device": job.settings.device, "dtype": job.settings.dtype, "num_beams": None, "contrast": None}
    used = {"name": "given pipeline", "sha256": None, **asked, **(about or {})}
    beams: Texts = {}
    if candidates > 1 and hasattr(pipe, "model"):
        records = _call(job, partial(_listened, pipe, candidates, beams), job.intervals, progress)
    else:
        records = _call(job, pipe, job.intervals, progress)
    document = document_of(job, used, _texts(job, pipe, records))
    options = []
    for cue in document["cues"]:
        texts = {cue["text"]: 0.0}
        found = beams.get((cue["provenance"]["window"], cue["provenance"]["position"]), [])
        for text, score in found:
            # Against the best of its own search: a forced text has no score, and only differences are compared.
            texts.setdefault(exports.clean_text(text), score - found[0][1])
        options.append([(text, score) for text, score in texts.items() if text])
    return document, options


def _listened(pipe: Any, candidates: int, beams: Texts, *args: Any, **asked: Any) -> list[dict[str, Any]]:
    """Call the pipeline, its searches' texts into `beams`; a call that fails leaves none, and the next counts anew."""
    with kept_beams(pipe, candidates) as found:
        records: list[dict[str, Any]] = pipe(*args, **asked)
    beams.update(found)
    return records


def _texts(job: Plan, pipe: Pipe, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """See that no text of the pipeline's records is empty; adds "text_from" to them.

    An empty text gets its window run again with a shortest length, so that its context stays what it was.
    """
    intervals = job.intervals
    records = [{**record, "text_from": "model"} for record in records]
    for length in FORCED_LENGTHS:
        empty = {i for i, record in enumerate(records) if not exports.clean_text(record["text"])}
        if not empty:
            break
        windows = {records[i]["window"] for i in empty}
        again = [i for i, record in enumerate(records) if record["window"] in windows]
        repeated = _call(job, pipe, [intervals[i] for i in again], None, min_new_tokens=length)
        for i, record in zip(again, repeated, strict=True):
            if i in empty:
                records[i].update(text=record["text"], text_from="model, forced")
    for record in records:
        record["text"] = exports.clean_text(record["text"])
        if not record["text"]:
            record.update(text=PLACEHOLDER, text_from="placeholder")
    return records


def _call(
    job: Plan, pipe: Pipe, intervals: Sequence[Interval], progress: Progress | None, **generation: Any
) -> list[dict[str, Any]]:
    """Call the pipeline on some of the job's intervals, with half as many windows at once while memory runs short."""
    batch = job.settings.batch_windows
    while True:
        try:
            return _called(job, pipe, intervals, progress, batch, generation)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if batch == 1:
                raise UserError(
                    "there is too little memory for one window", "Lower --num-beams, or give --device cpu."
                ) from error
        batch //= 2  # outside of the handler: the error's frames hold what filled the memory
        note = f"memory ran short: {batch} window(s) ran at once"
        job.warnings[:] = [w for w in job.warnings if not w.startswith("memory ran short")] + [note]


def _called(
    job: Plan,
    pipe: Pipe,
    intervals: Sequence[Interval],
    progress: Progress | None,
    batch: int,
    generation: dict[str, Any],
) -> list[dict[str, Any]]:
    """Call the pipeline once; what it says of the film is the user's to mend."""
    from modeling_distinctad.video_distinctad import VideoError, video_warnings

    settings = job.settings
    search = {"num_beams": settings.num_beams, "contrast": settings.contrast}
    asked = {name: value for name, value in search.items() if value is not None}
    people = [
        {"id": p.id, "name": p.name, "actor": p.actor, "portrait": str(p.portrait) if p.portrait else None}
        for p in job.cast
    ]
    try:
        with video_warnings() as said:
            records = pipe(
                str(job.film),
                intervals=[(interval.start_s, interval.end_s) for interval in intervals],
                cast=people,
                characters=settings.characters,
                max_people=settings.max_people,
                batch_windows=batch,
                progress=progress,
                **{**asked, **generation},
            )
    except VideoError as error:
        message = f"the film '{job.film.name}' cannot be decoded: {reason_of(error, job.film)}"
        raise UserError(message, "Copy it again or re-encode it.") from error
    for message in said:
        note = f"the film '{name_of(job.film)}': {without_path(message, job.film)}"
        if note not in job.warnings:
            job.warnings.append(note)
    if len(records) != len(intervals):
        raise RuntimeError(
            f"the pipeline gave {len(records)} records for {len(intervals)} intervals; it must give one each"
        )
    return records
