from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distinctad.errors import UserError
from distinctad.subtitles import Speech, decode_text, parse_subtitles, read_subtitles, subtitles_of

SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello.\n\n2\n00:00:04,000 --> 00:00:05,000\nYes?\n"
LINES = [Speech(1.0, 2.5), Speech(4.0, 5.0)]
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\nHello.\n\n00:00:04.000 --> 00:00:05.000 align:left\nYes?\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,Hello.\n"
    "Comment: 0,0:00:03.00,0:00:03.50,Default,,0,0,0,,a note\n"
    "Dialogue: 0,0:00:04.00,0:00:05.00,Default,,0,0,0,,Yes?\n"
)


@pytest.mark.parametrize("text", [SRT, VTT, ASS, SRT.replace("\n", "\r\n"), "\ufeff" + SRT, "\ufeff\n" + VTT])
def test_every_format_gives_the_same_times(text: str) -> None:
    speech, warnings = parse_subtitles(text.replace("\r\n", "\n"), "s")
    assert speech == LINES
    assert warnings == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_encoding_gives_the_same_times(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "s.srt"
    path.write_bytes(SRT.replace("Hello.", "Déjà vu, Zoë – naïve café.").encode(encoding))
    speech, warnings = read_subtitles(path)
    assert speech == LINES
    assert bool(warnings) == (encoding in ("utf-16-le", "utf-16-be", "cp1252"))


def test_cp1252_keeps_its_letters() -> None:
    text, warnings = decode_text("Zoë geht über die Straße – „schön“".encode("cp1252"), "the cast", "c.csv")
    assert text == "Zoë geht über die Straße – „schön“"
    assert "cp1252" in warnings[0]


def test_repairs_are_said() -> None:
    text = (
        "1\n00:00:02,000 --> 00:00:01,000\nBackwards.\n\n2\n00:00:01,500 --> 00:00:03,000\nOverlap.\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\n[door slams]\n\n4\n00:00:07,000 --> 00:00:08,000\n- (laughs) Hi.\n"
    )
    speech, warnings = parse_subtitles(text, "s.srt")
    assert speech == [Speech(1.0, 2.0), Speech(1.5, 3.0), Speech(7.0, 8.0)]
    assert [w.split(": ")[1].split(" ", 1)[0] for w in warnings] == ["1", "1", "1"]
    assert "swapped" in warnings[0] and "sound caption" in warnings[1] and "overlapping" in warnings[2]


@pytest.mark.parametrize(
    "content", [b"", b"just a letter to you", b"WEBVTT\n\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", b"{}"]
)
def test_what_is_no_subtitles_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.srt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="'.*s.srt'"):
        read_subtitles(path)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.srt", tmp_path, Path("a\0b")):
        with pytest.raises(UserError):
            read_subtitles(path)


_stamp = st.from_regex(r"\d{0,3}:?\d{1,4}:\d{1,3}[,.]\d{0,5}", fullmatch=True)
_line = st.one_of(
    st.tuples(_stamp, _stamp).map(lambda pair: f"{pair[0]} --> {pair[1]}"),
    st.sampled_from(["WEBVTT", "[Script Info]", "[Events]", "[V4+ Styles]", "Format: Start, End, Text", "NOTE", "", "1",
                     "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\p1}m 0 0", "Dialogue: x", "Style: a,b"]),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(_line, max_size=12).map("\n".join))
def test_hostile_text_is_parsed_or_refused(text: str) -> None:
    try:
        speech, _ = parse_subtitles(text, "s")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert speech and all(0 <= line.start_s <= line.end_s for line in speech)
        assert speech == sorted(speech, key=lambda line: (line.start_s, line.end_s))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_hostile_bytes_are_decoded_or_refused(data: bytes) -> None:
    try:
        text, _ = decode_text(data, "the subtitles", "s")
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert "\r" not in text


def test_webvtt_ids_notes_and_escapes_are_no_words() -> None:
    text = (
        "WEBVTT\n\nSTYLE\n::cue(b) { color: red }\n\nintro\n00:01.000 --> 00:05.000\n[door slams]\n\n"
        "NOTE spoken by Mara\n\ncue-2\n00:10.000 --> 00:12.000 line:0\n<v Mara>Tom &amp; <i>I</i>.\n"
    )
    speech, warnings = parse_subtitles(text, "s.vtt")
    assert [(line.start_s, line.end_s, line.text) for line in speech] == [(10.0, 12.0, "Tom & I.")]
    assert warnings == ["the subtitles 's.vtt': 1 sound caption(s) in brackets or notes not counted as speech"]


@pytest.mark.parametrize(
    ("words", "sound"),
    [
        ("[door slams]\n[thunder]", True), ("- [door]\n- (rain)", True), ("♪♪", True), ("♪ [music] ♫", True),
        ("[sighs] Well.", False), ("♪ La la ♪", False), ("[door]\nMara?", False), ("-", False),
    ],
)  # fmt: skip
def test_captions_of_sounds_are_told_from_speech(words: str, sound: bool) -> None:
    text = f"1\n00:00:01,000 --> 00:00:02,000\n{words}\n\n2\n00:00:04,000 --> 00:00:05,000\nYes?\n"
    speech, _ = parse_subtitles(text, "s.srt")
    assert len(speech) == (1 if sound else 2)


def test_webvtt_with_commas_is_read_and_a_cue_that_cannot_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.vtt"
    cues = (
        "00:00:01,000 --> 00:00:02,000\nHello.",
        "00:03.000 -> x --> 4\nLost.",
        "00:05,500 --> 00:06,250\nYes, 1,000.",
    )
    path.write_text("WEBVTT\n\n" + "\n\n".join(cues) + "\n", encoding="utf-8")
    speech, notes = read_subtitles(path)
    assert [(line.start_s, line.end_s, line.text) for line in speech] == [
        (1.0, 2.0, "Hello."),
        (5.5, 6.25, "Yes, 1,000."),
    ]
    assert len(notes) == 1 and "1 cue(s) without words or with times" in notes[0]


def test_a_long_caption_that_is_no_sound_is_told_at_once() -> None:
    words = "- [a] " * 5_000 + "Mara?"
    assert len(parse_subtitles(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{words}\n", "s.vtt")[0]) == 1


def ttml(lines: str, rates: str = "") -> str:
    names = 'xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'
    return f"<tt {names} {rates}><body><div>{lines}</div></body></tt>"


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ('<p begin="5s"><span begin="0s" end="2s">You</span> <span begin="2s" end="6s">listen</span></p>', (5.0, 11.0)),
        ('<p><span begin="1s" end="4s">Hello.</span></p>', (1.0, 4.0)),
        ('<p begin="1s" end="9s"><span begin="2s" end="4s">Hello.</span></p>', (3.0, 5.0)),
        ('<p begin="1s" end="9s">Oh, <span begin="2s" end="4s">hello.</span></p>', (1.0, 9.0)),
        ('<p begin="2s"><span><span begin="1s" dur="1s">Hello.</span></span></p>', (3.0, 4.0)),
    ],
)
def test_a_line_of_ttml_lasts_as_long_as_its_words(line: str, times: tuple[float, float]) -> None:
    speech, warnings = parse_subtitles(ttml(line), "s.ttml")
    assert [(one.start_s, one.end_s) for one in speech] == [times] and warnings == []


def test_lines_of_ttml_without_an_end_run_on_and_that_is_said() -> None:
    lines = (
        '<p begin="1s">Hello.</p><p begin="4s" end="5s">Yes?</p><p begin="6s"><span begin="0s" end="1s">Oh</span>'
        '<span begin="1s">no</span></p><p begin="9s" end="10s">[rain]</p><p begin="20s">Bye.</p>'
    )
    speech, warnings = parse_subtitles(ttml(lines), "s.ttml")
    assert [(one.start_s, one.end_s) for one in speech] == [(1.0, 4.0), (4.0, 5.0), (6.0, 9.0), (20.0, 27.0)]
    said = "3 line(s) without an end run to the next line's start, the last for 7 s"
    assert warnings == [f"the subtitles 's.ttml': {said}"]


NTSC = 'ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"'


@pytest.mark.parametrize(
    ("rates", "begin", "start_s"),
    [
        (f'{NTSC} ttp:dropMode="nonDrop"', "01:00:00:00", 3603.6),
        (NTSC, "00:00:01:15", 1.5015),
        (f'{NTSC} ttp:dropMode="dropNTSC"', "01:00:00:00", 3599.9964),
        (f'{NTSC} ttp:dropMode="dropNTSC"', "00:01:00:02", 60.06),
        (f'{NTSC} ttp:dropMode="dropNTSC"', "00:10:00:00", 599.9994),
        ('ttp:timeBase="smpte" ttp:frameRate="25"', "00:00:10:05", 10.2),
        (NTSC.replace("smpte", "media"), "01:00:00:00", 3600.0),
    ],
)
def test_time_code_is_told_by_its_frames(rates: str, begin: str, start_s: float) -> None:
    speech, _ = parse_subtitles(ttml(f'<p begin="{begin}" end="02:00:00:00">Hello.</p>', rates), "s.ttml")
    assert speech[0].start_s == pytest.approx(start_s, abs=1e-9)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        (f'{NTSC} ttp:dropMode="dropPAL"', "ttp:dropMode is 'dropPAL', expected nonDrop, or dropNTSC with"),
        (f'{NTSC.replace("30", "60")} ttp:dropMode="dropNTSC"', "dropNTSC with a ttp:frameRate of 30"),
        (f'{NTSC} ttp:markerMode="discontinuous"', "ttp:markerMode is 'discontinuous', expected continuous"),
        ('ttp:timeBase="clock"', "ttp:timeBase is 'clock', expected media or smpte"),
    ],
)
def test_time_code_that_cannot_be_told_is_refused(rates: str, said: str) -> None:
    with pytest.raises(UserError, match=f"the subtitles 's.ttml' cannot be read: its .*{said}"):
        parse_subtitles(ttml('<p begin="00:00:01:00" end="00:00:02:00">Hello.</p>', rates), "s.ttml")


@pytest.mark.parametrize("time", ["9" * 400 + "s", "9" * 400 + ":00:00", "00:00:01:" + "9" * 400])
def test_times_that_no_number_holds_are_refused(time: str) -> None:
    with pytest.raises(UserError, match="no time expression"):
        parse_subtitles(ttml(f'<p begin="{time}">Hello.</p>', 'ttp:frameRate="25"'), "s.ttml")


@pytest.mark.parametrize("times", ["00:00:05:500 --> 00:00:09:000", "00:05,500 --> 00:09,000", "0:05:07 --> x"])
def test_a_cue_of_subrip_whose_times_cannot_be_read_is_told(times: str) -> None:
    lines = ("00:00:01,000 --> 00:00:02,000\nA.", f"{times}\nHe speaks.", "00:00:10,000 --> 00:00:11,000\nGo --> left.")
    text = "\n".join(f"{number}\n{line}\n" for number, line in enumerate(lines, 1))
    speech, notes = parse_subtitles(text, "s.srt")
    assert [line.start_s for line in speech] == [1.0, 10.0]
    assert notes == ["the subtitles 's.srt': 1 cue(s) with times that cannot be read"]
    assert parse_subtitles(text.replace(f"2\n{times}\nHe speaks.\n", ""), "s.srt")[1] == []


def test_notes_on_a_file_whose_name_is_no_utf8_can_be_written_down(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.srt")
    odd.write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nCaf\xe9.\n\n2\n00:00:03,000 --> 00:00:04,000\nHe.\n\n"
                    b"3\n00:01:00,000 --> 00:01:02,000\nLate.\n")  # fmt: skip
    speech, notes = subtitles_of(odd, 10.0)
    assert len(speech) == 3 and len(notes) == 2 and all("caf .srt" in note for note in notes)
    assert json.dumps(notes, ensure_ascii=False).encode("utf-8")


HUGE = 300_000


@pytest.mark.parametrize(
    "more",
    ["{\\r}a" * HUGE, "{\\p1" * HUGE, "<a" * HUGE, "<" + " " * HUGE, "{\\i1}<b>" * HUGE, "< / i " * HUGE],
    ids=["tags", "open", "html", "blanks", "both", "styles"],
)
@pytest.mark.parametrize("text", [ASS, SRT], ids=["ass", "srt"])
def test_tags_are_read_once(text: str, more: str) -> None:
    speech, _ = parse_subtitles(text.replace("Hello.", f"Hello. {more}"), "s")
    assert speech == LINES and speech[0].text.startswith("Hello.")


@pytest.mark.parametrize(
    "more",
    ["\n" * HUGE + "x", "\n-" + "1" * HUGE, "\n" + " " * HUGE + "x"],
    ids=["empty lines", "digits", "blanks"],
)
def test_lines_of_subrip_are_read_once(more: str) -> None:
    assert parse_subtitles(SRT.replace("Hello.", f"Hello.{more}"), "s.srt") == (LINES, [])


def test_headings_of_ass_are_read_once() -> None:
    assert parse_subtitles(ASS.replace("[Events]", f"[{'a' * HUGE}\n[Events]"), "s.ass") == (LINES, [])


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        ("{\\p1}m 0 0 l 9 9", True), ("{\\an7\\p2}m 0 0{\\p0}", True), ("{\\p0}Yes?", False), ("{\\p1\\r}Yes?", False),
        ("{\\p1\\rOther}m 0 0", True), ("{\\p1\\p0}Yes?", False), ("{\\pos(1,2)\\pbo4}Yes?", False),
        ("\\p1 Yes?", False),
        ("{\\p1 Yes?", False), ("{\\an8}Yes?{\\p4}", True), ("{\\p0}{\\r}{\\p3}m 1 1", True),
    ],
)  # fmt: skip
def test_drawings_are_told_as_the_library_tells_them(words: str, drawn: bool) -> None:
    import pysubs2

    assert pysubs2.SSAEvent(text=words).is_drawing is drawn
    speech, _ = parse_subtitles(ASS.replace("Yes?", words), "s.ass")
    assert len(speech) == (1 if drawn else 2)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([*"{}</ ip01rhN\\\n", "b ", "<x", "{\\p"])).map("".join)
    | st.lists(st.sampled_from([*"<>/ ip01rhN\\\n", "b ", "<i>", "< / b >", "<x"])).map("".join)
)
@example("<b <i>")
@example("If x<y, <i>run, Mara!</i>")
@example("<Will you come? <i>Now!</i>")
@example("<<i>b>{}")
def test_words_are_those_of_the_library(words: str) -> None:
    import pysubs2

    text = f"1\n00:00:01,000 --> 00:00:02,000\n{words}\n\n2\n00:00:04,000 --> 00:00:05,000\nYes?\n"
    events = [one for one in pysubs2.SSAFile.from_string(text, format_="srt").events if one.is_text]
    told = [" ".join(one.plaintext.split()) for one in events if one.plaintext.strip()]
    assert [line.text for line in parse_subtitles(text, "s.srt")[0]] == told


@pytest.mark.parametrize(
    ("words", "told"),
    [("<i>{Hello there</i>", "{Hello there"), ("Set {1, 2 <i>now</i> there", "Set {1, 2 now there")],
)
def test_a_brace_that_nothing_closes_takes_no_words(words: str, told: str) -> None:
    """The library makes braces of style tags, and they close it: a description could fall on what is said there."""
    speech, _ = parse_subtitles(f"1\n00:00:01,000 --> 00:00:02,000\n{words}\n", "s.srt")
    assert [line.text for line in speech] == [told]


def test_a_line_in_a_line_of_ttml_is_one_of_its_own() -> None:
    """Against the rules; a thousand of them in each other were each read with all inside."""
    text = ttml('<p begin="1s" end="5s">One.<p begin="1s" end="2s">Two.</p></p><p end="9s"><span>Th</span>ree.</p>')
    speech, _ = parse_subtitles(text, "s.ttml")
    assert [(line.start_s, line.end_s, line.text) for line in speech] == [
        (0.0, 9.0, "Three."), (1.0, 5.0, "One."), (2.0, 3.0, "Two."),
    ]  # fmt: skip
    deep = '<p begin="0s" end="1s">a' * 15_000 + "</p>" * 15_000
    assert len(parse_subtitles(ttml(deep), "s.ttml")[0]) == 15_000


def test_a_rate_that_no_time_survives_is_refused() -> None:
    rates = f'ttp:frameRate="1" ttp:frameRateMultiplier="1 1{"0" * 400}"'
    with pytest.raises(UserError, match="its frame or tick rate is no number above zero, or has too many digits"):
        parse_subtitles(ttml('<p begin="36f" end="40f">Hello.</p>', rates), "s.ttml")
