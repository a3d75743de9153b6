"""First inputs of the fuzzer, one list a parser: small whole files, most of them drawn here.

What a hostile file is known to try (deep nesting, huge numbers, entities, other encodings) stands beside the good ones.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DEEP = b"[" * 3000
ODD = (b"", b"{}", b"[]", b"null", b"\x00", b"\xff\xfe[\x00]\x00", DEEP, b'{"a":' * 1500, b"1e999", b"9" * 5000, b"NaN")

SRT = b"1\n00:00:03,000 --> 00:00:05,000\nHello <i>there</i>.\n\n2\n00:00:06,500 --> 00:00:08,000\n[door]\nYes?\n"
VTT = b"WEBVTT\nKind: descriptions\n\nNOTE a\n\nid1\n00:01.000 --> 00:00:02.500 line:0\n<v Ann>He &amp; she\n"
ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
    b"MarginV, Effect, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\i1}Hi\\N{\\i0}you\n"
)
_TT = b'<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"'
TTML = (
    b'<?xml version="1.0" encoding="utf-8"?>' + _TT + b' xml:lang="en" ttp:frameRate="25" ttp:tickRate="10">'
    b'<body><div begin="1s"><p begin="00:00:01:05" end="3.5s">Hello<br/>you</p><p begin="20t" dur="2s">x</p></div>'
    b"</body></tt>"
)
BOMB = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>' + _TT + b"><body><div><p>&c;</p></div></body></tt>"
CAST = [{"id": "p1", "name": "Mara", "actor": "A. B", "portrait": "face.png"}, {"name": "Jo\u00ebl", "actor": None}]
INTERVALS = b"film,start,end\nfilm_7.mp4,1.0,2.5\nfilm_7.mp4,0:00:03.5,4\n"
MAD = (
    b"movie,sentence,movie_duration,start,end,imdbid,lsmdc_filename,start_hms,end_hms\n"
    b"1_Film,Ann opens a red door.,600.0,1.0,2.5,tt1,1_Film_00.00.01.000-00.00.02.500,00.00.01.000,00.00.02.500\n"
)
CMD = (
    b"text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx\n"
    b"Ann opens a door.,1001,1003,7,1.0,5.0,2014/clip1,tt7,A Film,1\n"
)
TV = (
    b"text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index\n"
    b'A door.,1,3,tt8,tt9,1,2,4,0,4,friends_s01e02_seg01_clip_01,"[9, 9, 9, 9, 10, 10, 11, 11, 11, 12, 12, 13, 13, '
    b'14, 14, 14]"\n'
)
TEXTS = b"index,text_gt,text_gt_wo_char\n1,Ann runs.,She runs.\n"
MAD_JSON = {"7": {"movie": "1_Film", "sentence": "He runs.", "movie_duration": 60.0, "timestamps": [1.0, 2.0],
                  "ext_timestamps": [0.0, 3.0], "tokens": ["He", "runs"]}}  # fmt: skip
BANK = {"tt1": [{"role": "Ann (voice)", "name": "A. B", "id": "nm1", "imdbid": "nm1"}, "Bob"], "tt2": []}
PREDICTIONS = b'film,start,end,text_gen,text_gt\n7,1.0,2.0,He runs.,He walks.\n7,2.0,3.5,"a, b",nan\n'
TRUTH = [{"film": "7", "index": 0, "start": 1.0, "end": 2.0, "text": "He runs.", "character": "p1", "action": "run"}]
LITERALS = (
    b"[1, 2, 3]",
    b"[[0.1, 0.2], [1, 2]]",
    b"{'a': [(1, 2)]}",
    b"(1,)",
    b"'x'",
    b"--1",
    b"()" * 2000,
    b"[9" * 99,
)
CELLS = (b"12.5", b"-1e3", b".5", b"00.01.02.345", b"1e309", b"tt0123", b"a/b.mp4", b"../x", b"C:x", b"0 12.5\nfilm")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def document() -> dict[str, Any]:
    """A small whole document of `distinctad describe`."""
    provenance = {"origin": "even", "line": None, "window": 0, "position": 0, "frames_s": [1.0], "text_from": "model"}
    cue = {"index": 1, "start_s": 1.0, "end_s": 3.0, "text": "Mara runs.", "characters": ["Mara"],
           "provenance": provenance}  # fmt: skip
    return {
        "format": "distinctad.descriptions", "format_version": 1, "language": "en", "warnings": [], "cues": [cue],
        "review": "unreviewed machine draft: a person must check every description before anyone relies on it",
        "film": {"name": "f.mp4", "sha256": "0" * 64, "duration_s": 12.0, "frame_rate_hz": 8.0, "width": 64,
                 "height": 48, "has_audio": True},
        "intervals": {"origin": "even", "file": None, "sha256": None,
                      "rules": {"min_gap_s": 1.0, "guard_s": 0.15, "max_length_s": 5.0, "even_s": 5.0}},
        "cast": [{"id": "p1", "name": "Mara", "actor": "", "portrait_sha256": None}],
        "model": {"name": "m", "sha256": None},
        "generation": {"characters": "all", "max_people": 3, "seed": 0, "batch_windows": 1, "num_beams": 1,
                       "device": "cpu", "dtype": "float32", "versions": {}},
    }  # fmt: skip


def script_files() -> dict[str, bytes]:
    """The document in every script format, by ending."""
    from distinctad.formats.convert import WRITERS
    from distinctad.formats.script import script_of

    script = script_of(document())
    return {ending: write(script).encode() for ending, write in WRITERS.items()}


def edit_log() -> bytes:
    """A log of two edits of `document()`."""
    from distinctad.review import Edit, log_of

    return log_of(document(), [Edit(1, "text", "Mara runs.", "Mara walks."), Edit(1, "end_s", 3.0, 3.5)]).encode()


def work() -> bytes:
    """What the page sends."""
    from distinctad.planner_rate import assumed
    from distinctad.subtitles import Speech
    from space.work import Work

    return _json(Work(document(), [], [Speech(0.0, 1.0, "Hi")], assumed(), [(1.0, 3.0)]).packed())


def pictures(kinds: Sequence[str]) -> list[bytes]:
    """A small picture in each of Pillow's formats."""
    from PIL import Image

    made = []
    for kind in kinds:
        file = io.BytesIO()
        Image.linear_gradient("L").resize((12, 9)).convert("RGB").save(file, kind)
        made.append(file.getvalue())
    return made


def tars() -> list[bytes]:
    """WebDataset shards: a clip of pictures with its row, one of text, a link, a long name."""
    png = pictures(["PNG"])[0]
    members = {"a.json": _json({"text": "He runs.", "film": "7", "start_s": 0.0, "end_s": 1.0}), "a.000.png": png,
               "a.001.png": png, "b.txt": b"She runs.", "b.0.png": png,
               "c.json": _json({"ads": [{"text": "x", "start_s": 0.0, "end_s": 1.0}]})}  # fmt: skip
    made = []
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as tar:
            for name, raw in members.items():
                info = tarfile.TarInfo(name if form == tarfile.GNU_FORMAT else f"\u00e9{'d' * 90}/{name}")
                info.size = len(raw)
                tar.addfile(info, io.BytesIO(raw))
        made.append(file.getvalue()[: -(-file.tell() // 512) * 512])
    link = tarfile.TarInfo("a")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [*made, link.tobuf() + bytes(1024)]


def zips() -> list[bytes]:
    """Zips of every compression."""
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo("good"), b"hello " * 20, compress_type=method)
            archive.writestr(zipfile.ZipInfo("d/x"), b"x")
        made.append(file.getvalue())
    return made


def features(folder: Path) -> list[bytes]:
    """Feature files: MAD's plain layout, ours with attributes, one compressed."""
    import h5py
    import numpy as np

    from datasets_scripts.mad_features import write_features

    rows = np.ones((12, 4), np.float16)
    write_features(folder / "ours.h5", {"fps": 5.0, "tower_sha256": "ab"}, {"f": (rows, {"print": "x"})})
    with h5py.File(folder / "mads.h5", "w") as file:
        file["1"] = rows
        file.create_dataset("2", data=rows, chunks=(4, 4), compression="gzip")
    return [(folder / name).read_bytes() for name in ("ours.h5", "mads.h5")]


def parquets(folder: Path) -> list[bytes]:
    """Shards of rows, and of clips with pictures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    png = pictures(["PNG"])[0]
    rows = {"film": ["a", "a"], "start_s": [0.0, 1.0], "end_s": [1.0, 2.0], "text": ["x", "y"]}
    tables = [rows, {"text": ["x"], "film": ["a"], "frames": [[png, png]]}]
    for number, table in enumerate(tables):
        pq.write_table(pa.table(table), folder / f"{number}.parquet", compression="none")
    return [(folder / f"{number}.parquet").read_bytes() for number in range(len(tables))]


def films(folder: Path) -> list[bytes]:
    """Half a second of film in two containers."""
    import av
    import numpy as np

    made = []
    for ending, codec in (("mp4", "libx264"), ("avi", "mpeg4")):
        path = folder / f"seed.{ending}"
        with av.open(str(path), "w") as container:
            video: Any = container.add_stream(codec, rate=8)
            video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
            for i in range(4):
                image = np.full((32, 32, 3), 20 + 50 * i, np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(video.encode())
        made.append(path.read_bytes())
    return made


def tensors(folder: Path) -> list[bytes]:
    """Safetensors of floats."""
    import torch
    from safetensors.torch import save_file

    path = folder / "seed.safetensors"
    save_file({"frames": torch.ones(2, 3, 4, dtype=torch.float16), "faces": torch.ones(1, 4)}, path)
    return [path.read_bytes()]


def adrows() -> bytes:
    """JSON Lines of the one row schema."""
    from datasets_scripts.schema import ADRow, Character, Provenance

    people = (Character("p1", "Mara"),)
    row = ADRow("7", "c", 0, 0.0, 1.0, "He runs.", people, "7.mp4", Provenance("a.csv", 0)).to_dict()
    return _json(row) + b"\n" + _json({**row, "index": 1}) + b"\n"
