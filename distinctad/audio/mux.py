"""Films that carry the descriptions: `described.mp4` with one more sound track, `extended.mp4` with pauses.

Pictures are never encoded again. In the described film the original sound is copied packet by packet, so it stays
what it was, bit for bit; the new track is flagged for blind viewers (visual_impaired, descriptions), names its voice
and says that it is an unreviewed draft while it is one. In the extended film a pause is a picture that stays: all later
packets get later times, and because the delay only grows with time, decoding order stays what it was. Both films keep
the original's chapters and its time code, which says when the first picture is; a pause does not stop it.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from distinctad.audio.mix import Pause, delay
from distinctad.audio.sound import Encoder, Programme, opened, origin_of, sounds, url_of, writing
from distinctad.audio.tags import EXTENDED, KIND, Tags
from distinctad.errors import UserError

_MOST_WAITING = 64  # packets without a time of decoding at a stream's start; no codec makes so many wait
_NO_SHOWING_TIMES = "avi"  # an order of decoding only; FFmpeg guesses the rest, for H.264 wrongly
_LOOKED_AT = 50  # pictures; those that others refer to come out of order within the first few
_LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld", "pl": "pol"}


def require_mp4(film: Path) -> None:
    """See, before anything is described, that MP4 can carry a film's pictures and sound.

    Args:
        film: the original.

    Raises:
        UserError: it cannot.
    """
    trial = av.open(io.BytesIO(), "w", format="mp4")
    with writing(Path("described.mp4")), opened(film) as source, trial as output:
        for stream in (_picture(source), *sounds(source)):
            output.add_stream_from_template(stream)
        output.start_encoding()
        if source.format.name == _NO_SHOWING_TIMES and not _in_order(source):
            message = f"the film '{film.name}' does not say when its pictures are shown (an AVI with B-frames)"
            raise UserError(message, "Re-encode it as H.264 in MP4: ffmpeg -i FILM.avi FILM.mp4")


def _in_order(source: Any) -> bool:
    """Whether the first pictures' times rise; copied as they are, the film would jump to and fro."""
    times: list[int] = []
    with contextlib.suppress(av.FFmpegError):  # a damaged picture: what came before must do
        for frame in itertools.islice(source.decode(_picture(source)), _LOOKED_AT):
            if frame.pts is not None:
                times.append(frame.pts)
    return all(one < next_one for one, next_one in itertools.pairwise(times))


def write_described(film: Path, path: Path, sound: Iterator[np.ndarray], programme: Programme, tags: Tags) -> None:
    """Copy a film and add the described sound track.

    Args:
        film: the original.
        path: the .mp4 to write.
        sound: (channels, samples) float32 blocks of the mix.
        programme: rate and layout of `sound`.
        tags: what the film and the track say of themselves.

    Raises:
        UserError: if the film holds a codec that MP4 cannot carry, or the file cannot be written.
    """
    with writing(path), opened(film) as source, _output(path) as output:
        kept = [_picture(source), *sounds(source)]
        copies = {stream.index: output.add_stream_from_template(stream) for stream in kept}
        for stream in kept:
            copies[stream.index].disposition = stream.disposition
            copies[stream.index].metadata.update(_tags(stream))
        _mark(output, source, programme)
        track = _track(output, programme, tags)
        for packet in _packets(source, kept):
            _keep_pace(track, sound, programme, float(packet.dts * packet.time_base))
            packet.stream = copies[packet.stream.index]
            output.mux(packet)
        _finish(track, sound, programme)


def write_extended(
    film: Path,
    path: Path,
    sound: Iterator[np.ndarray],
    programme: Programme,
    pauses: Sequence[Pause],
    tags: Tags,
) -> None:
    """Copy a film's pictures with pauses, and give it the described sound of the same length.

    Args:
        film: the original.
        path: the .mp4 to write.
        sound: (channels, samples) float32 blocks of the mix, with the pauses in it.
        programme: rate and layout of `sound`.
        pauses: where the picture stays, in the film's time, rising.
        tags: what the film and the track say of themselves.

    Raises:
        UserError: as `write_described`.
    """
    with writing(path), opened(film) as source, _output(path) as output:
        stream = _picture(source)
        copy = output.add_stream_from_template(stream)
        copy.metadata.update(_tags(stream))
        _mark(output, source, programme, pauses)
        track = _track(output, programme, tags, EXTENDED)
        for packet in _paused(_packets(source, [stream]), pauses):
            _keep_pace(track, sound, programme, float(packet.dts * packet.time_base))
            packet.stream = copy
            output.mux(packet)
        _finish(track, sound, programme)


def _paused(packets: Iterator[Any], pauses: Sequence[Pause]) -> Iterator[Any]:
    """Packets with later times; the last one lasts through the pauses after the start of the picture shown last."""
    last, shown_s, end = None, 0.0, 0
    for packet in packets:
        shown_s = max(shown_s, float(packet.pts * packet.time_base))
        for name in ("dts", "pts"):
            time = getattr(packet, name)
            later_s = delay(float(time * packet.time_base), pauses)
            setattr(packet, name, time + round(later_s / packet.time_base))
        end = max(end, packet.pts + (packet.duration or 0))
        if last is not None:
            yield last
        last = packet
    if last is not None:
        rest_s = delay(math.inf, pauses) - delay(shown_s, pauses)
        if rest_s > 0:
            last.duration = end + round(rest_s / last.time_base) - last.pts
        yield last


def _output(path: Path) -> Any:
    # bitexact keeps the library's version out of the file: equal runs give equal bytes.
    return av.open(url_of(path), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"})


def _picture(source: Any) -> Any:
    """The film's own pictures, no cover."""
    return next(s for s in source.streams.video if not int(s.disposition) & int(Disposition.attached_pic))


def _tags(stream: Any) -> dict[str, str]:
    kept = ("language", "title", "handler_name")
    # Matroska writes TIMECODE; the muxer takes either, and leaves out what is none.
    return {name: text for name, text in stream.metadata.items() if name in kept or name.lower() == "timecode"}


def _mark(output: Any, source: Any, programme: Programme, pauses: Sequence[Pause] = ()) -> None:
    """Copy the chapters, in the time of the film that is written and within it.

    In MP4 a chapter ends where the next one begins, the first one begins with the film, and none is without a title.
    """
    if not hasattr(output, "set_chapters"):  # an older PyAV
        return
    found = []
    for chapter in source.chapters():
        times_s = [
            max(0.0, float(chapter[side] * chapter["time_base"]) - origin_of(source)) for side in ("start", "end")
        ]
        start, end = (round(1000 * min(time_s + delay(time_s, pauses), programme.duration_s)) for time_s in times_s)
        if start < end:
            found.append((start, end, chapter["metadata"].get("title", "")))
    if found and min(found)[0] > 0:
        found.append((0, min(found)[0], ""))
    output.set_chapters(
        [
            {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
            for number, (start, end, title) in enumerate(sorted(found), 1)
        ]
    )


def _packets(source: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """Packets with both times, counted from the film's start, as the descriptions count.

    Matroska gives no time of decoding before it has seen as many pictures as wait for one another: the first ones,
    the key picture among them, get theirs counted back from the first that is known.
    """
    origin_s = origin_of(source)
    waiting: dict[int, list[Any]] = {stream.index: [] for stream in streams}
    known: set[int] = set()
    for packet in source.demux(*streams):
        index = packet.stream.index
        if packet.size:
            waiting[index].append(packet)
        if packet.dts is None and index not in known and packet.size and len(waiting[index]) < _MOST_WAITING:
            continue
        known.add(index)
        for ready in _timed(waiting[index]):
            shift = round(origin_s / ready.time_base)
            ready.pts, ready.dts = ready.pts - shift, ready.dts - shift
            yield ready
        waiting[index] = []


def _timed(packets: Sequence[Any]) -> Sequence[Any]:
    """Packets of one stream in the order of decoding, with their missing times; without any, of showing."""
    first = next((place for place, packet in enumerate(packets) if packet.dts is not None), None)
    for place, packet in enumerate(packets):
        if packet.dts is None and first is not None and place < first:
            step = packets[first].duration or packet.duration or 1
            packet.dts = packets[first].dts - (first - place) * step
        elif packet.dts is None:
            packet.dts = packet.pts
        if packet.pts is None:
            packet.pts = packet.dts
    return [packet for packet in packets if packet.dts is not None]


def _track(output: Any, programme: Programme, tags: Tags, kind: str = KIND) -> Encoder:
    track = Encoder(output, "aac", programme)
    track.stream.disposition = Disposition.visual_impaired | Disposition.descriptions
    title = tags.track(kind)
    # MP4 has no track title; the handler's name is what players show.
    track.stream.metadata.update(
        {"language": _LANGUAGES.get(tags.language.partition("-")[0], "und"), "handler_name": title, "title": title}
    )
    output.metadata.update(tags.file(kind))
    return track


def _keep_pace(track: Encoder, sound: Iterator[np.ndarray], programme: Programme, until_s: float) -> None:
    """Encode the track up to a time, so that the muxer need not hold the pictures back."""
    while track.done < until_s * programme.rate_hz:
        block = next(sound, None)
        if block is None:
            return
        track.write(block)


def _finish(track: Encoder, sound: Iterator[np.ndarray], programme: Programme) -> None:
    for block in sound:
        track.write(block)
    track.write(np.zeros((programme.channels, 0), np.float32), last=True)
