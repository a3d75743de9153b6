"""From a film to texts with tiny random models: windows, recognition, hooks, batching, and a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from far_process import ALONE
from PIL import Image
from test_processing import byte_tokenizer, image_processor
from transformers import CLIPVisionConfig, GPT2Config, LlamaConfig

from modeling_distinctad import pipeline_distinctad
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.pipeline_distinctad import DistinctADPipeline
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.video_distinctad import VideoError, read_frames

INTERVALS = [(0.0, 0.8), (1.0, 1.6), (2.0, 3.0), (3.0, 3.2), (3.4, 4.0)]
GREEDY = {"num_beams": 1, "max_new_tokens": 6, "no_repeat_ngram_size": 0}


def make(kind: str = "gpt2", **config: Any) -> DistinctADPipeline:
    """A pipeline of random towers, window size 2, T 3, 32-pixel pictures."""
    tokenizer = byte_tokenizer()
    processor = DistinctADProcessor(
        image_processor(), tokenizer, num_prompt_vectors=2, num_frames=3, window_size=2, face_tokens="always",
        frame_fit="squash",
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        projection_dim=32,
    )  # fmt: skip
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    size = len(tokenizer) - 3  # the slot tokens lie beyond the language model's own vocabulary
    text: Any = GPT2Config(
        vocab_size=size, n_embd=16, n_layer=2, n_head=2, n_positions=160, initializer_range=0.5, **ends
    )
    if kind == "llama":
        text = LlamaConfig(
            vocab_size=size, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=160, initializer_range=0.5, **ends,
        )  # fmt: skip
    torch.manual_seed(0)
    model = DistinctADForConditionalGeneration(
        DistinctADConfig(
            vision_config=vision, text_config=text, num_prompt_vectors=2, num_frames=3, window_size=2, em_num_bases=4,
            face_tokens="always", **processor.token_ids, **config,
        )
    )  # fmt: skip
    model.scale_projections()
    return DistinctADPipeline(model=model, processor=processor, device="cpu")


@pytest.fixture(scope="module")
def pipe() -> DistinctADPipeline:
    return make()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of moving noise, 64 x 48, 10 frames a second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(40):
            if i % 5 == 0:
                image = np.kron(noise.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def portrait(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8))


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("cast") / "joe.png"
    portrait(2).save(path)
    return [
        {"id": "p1", "name": "Mara", "actor": "Ann Lee", "portrait": portrait(1)},
        {"id": "p2", "name": "Nobody", "actor": None, "portrait": None},
        {"id": "p3", "name": "Joe", "actor": None, "portrait": str(path)},
    ]


def test_rows_windows_and_times(pipe: DistinctADPipeline, film: Path, cast: list[dict[str, Any]]) -> None:
    told: list[tuple[int, int]] = []
    rows = pipe(film, [*INTERVALS[2:], *INTERVALS[:2]], cast, progress=lambda *done: told.append(done), **GREEDY)
    assert [(r["start_s"], r["end_s"]) for r in rows] == INTERVALS  # in time order, whatever order was given
    assert [(r["window"], r["position"]) for r in rows] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert rows[2]["frames_s"] == pytest.approx([2 + 1 / 6, 2.5, 3 - 1 / 6])
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert all(isinstance(r["text"], str) and r["text"] for r in rows)
    assert all(sorted(r["characters"]) == ["Joe", "Mara"] for r in rows)  # no portrait: never recognised
    assert len({r["text"] for r in rows}) > 1  # the texts come from the clips
    json.dumps(rows)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_texts_do_not_depend_on_the_batch(kind: str, film: Path, cast: list[dict[str, Any]]) -> None:
    pipe = make(kind)
    one = pipe(film, INTERVALS, cast, **GREEDY)
    assert pipe(film, INTERVALS, cast, batch_windows=3, **GREEDY) == one
    assert pipe(film, INTERVALS[:2], cast, **GREEDY) == one[:2]
    assert pipe(film, INTERVALS, cast, num_beams=2, max_new_tokens=4)[0]["window"] == 0


def test_equals_the_model_used_by_hand(pipe: DistinctADPipeline, film: Path, cast: list[dict[str, Any]]) -> None:
    rows = pipe(film, INTERVALS, cast, characters="all", **GREEDY)
    assert all(r["characters"] == ["Mara", "Nobody", "Joe"] for r in rows)
    frames = [read_frames(film, row["frames_s"]) for row in rows]
    people = [{**cast[0], "portrait": 0}, cast[1], {**cast[2], "portrait": 1}]
    batch = pipe.processor(frames=[frames[2:4]], characters=[[people, people]], portraits=[[portrait(1), portrait(2)]])
    ids = pipe.model.generate(**batch, **GREEDY)
    assert pipe.processor.batch_decode(ids) == [[rows[2]["text"], rows[3]["text"]]]


def test_the_films_own_faces_are_recognised(pipe: DistinctADPipeline, film: Path) -> None:
    """Portraits cut from the film itself: each is the best match of the clip that it was cut from."""
    seen = [Image.fromarray(read_frames(film, [t])[0]) for t in (0.25, 1.25)]
    cast = [{"name": "Late", "portrait": seen[1]}, {"name": "Early", "portrait": seen[0]}]
    rows = pipe(film, [(0.05, 0.45), (1.05, 1.45)], cast, max_people=1, **GREEDY)
    assert [r["characters"] for r in rows] == [["Early"], ["Late"]]
    swapped = pipe(film, [(0.05, 0.45), (1.05, 1.45)], cast[::-1], **GREEDY)
    assert [r["characters"] for r in swapped] == [["Early", "Late"], ["Late", "Early"]]
    strict = pipe(film, [(0.05, 0.45)], cast, threshold=2.0, **GREEDY)
    assert strict[0]["characters"] == []


def test_faces_once_frames_in_one_pass(
    pipe: DistinctADPipeline, film: Path, cast: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = pipe.model.encode_frames
    monkeypatch.setattr(pipe.model, "encode_frames", lambda x: encoded.append(x.shape[:-3].numel()) or encode(x))
    reads: list[int] = []
    read = pipeline_distinctad.iter_clip_frames
    monkeypatch.setattr(
        pipeline_distinctad, "iter_clip_frames", lambda *a, **k: reads.append(len(a[1])) or read(*a, **k)
    )
    pipe(film, INTERVALS, cast, **GREEDY)
    assert encoded == [6, 2, 6, 3]  # two clips, the two faces, two clips, one clip
    assert reads == [5]


def test_frames_hook(pipe: DistinctADPipeline, film: Path, cast: list[dict[str, Any]]) -> None:
    rows = pipe(film, INTERVALS, cast, characters="all", **GREEDY)
    black = pipe(film, INTERVALS, cast, characters="all", frames=lambda i, f: [np.zeros_like(x) for x in f], **GREEDY)
    assert len({r["text"] for r in black[:2]}) == 1 and [r["text"] for r in black] != [r["text"] for r in rows]
    seen: list[int] = []
    blind = pipe(
        film, INTERVALS, cast, frames=lambda i, f: seen.append(i) or ([None] * 3 if i in (1, 4) else f), **GREEDY
    )
    assert seen == [0, 1, 2, 3, 4]
    assert blind[1]["text"] == "" and blind[1]["characters"] == [] and blind[4]["text"] == ""
    assert blind[0]["text"] and [r["text"] for r in blind[2:4]] != ["", ""]
    both = pipe(film, INTERVALS, cast, frames=lambda i, f: [None] * 3 if i > 3 else f, batch_windows=3, **GREEDY)
    assert both[4]["text"] == "" and both[3]["text"]


def test_defaults_at_construction_and_other_dtypes(film: Path, cast: list[dict[str, Any]]) -> None:
    made = make()
    set_once = DistinctADPipeline(
        model=made.model, processor=made.processor, device="cpu", characters="all", batch_windows=2, **GREEDY
    )
    assert set_once(film, INTERVALS, cast) == made(film, INTERVALS, cast, characters="all", **GREEDY)
    assert set_once(film, INTERVALS, cast, characters="recognised")[0]["characters"] != ["Mara", "Nobody", "Joe"]
    assert set_once(film, [], cast) == []
    half = DistinctADPipeline(model=made.model.to(torch.bfloat16), processor=made.processor, device="cpu")
    assert len(half(film, INTERVALS, cast, **GREEDY)) == 5


def test_portraits_are_seen_as_they_were_taken(tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :20] = (250, 0, 0)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: to be turned clockwise
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    seen = np.asarray(pipeline_distinctad._picture(tmp_path / "turned.jpg", "Mara"))
    assert seen.shape == (60, 40, 3) and seen[5, :, 0].min() > 200 and seen[40, :, 0].max() < 60
    grey = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    seen = np.asarray(pipeline_distinctad._picture(tmp_path / "grey.png", "Mara"))
    assert np.abs(seen[..., 0].astype(float) - grey / 257).max() <= 1


def test_a_broken_portrait_is_said_in_one_line(tmp_path: Path) -> None:
    """Among what Pillow raises of such files: DecompressionBombError, SyntaxError, struct.error."""
    whole = tmp_path / "whole.png"
    portrait(1).save(whole)
    png = bytearray(whole.read_bytes())
    huge, torn, other = bytearray(png), bytearray(png), bytearray(png)
    huge[16:24] = (60_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(bytes(huge[12:29])).to_bytes(4, "big")
    torn[12:16] = b"IHDX"
    other[37:41] = b"!!!!"
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n"  # Pillow would hand it to Ghostscript
    for number, raw in enumerate((huge, torn, other, b"", png[:60], script)):
        path = tmp_path / f"{number}.png"
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=f"portrait of Mara: .*{number}.png cannot be read") as error:
            pipeline_distinctad._picture(path, "Mara")
        assert "\n" not in str(error.value)
    assert "cannot identify" in str(error.value)  # so it was not begun


def test_without_a_cast(pipe: DistinctADPipeline, film: Path) -> None:
    for characters in ("recognised", "all"):
        rows = pipe(film, INTERVALS[:1], characters=characters, **GREEDY)
        assert rows[0]["characters"] == [] and rows[0]["text"]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"intervals": None}, "pass intervals="),
        ({"intervals": [(2.0, 1.0)]}, "end >= start"),
        ({"cast": [{"name": " "}]}, "no name"),
        ({"cast": [{"name": "Mara", "portrait": "no/such.png"}]}, "portrait of Mara: no/such.png"),
        ({"cast": [{"name": "Mara"}]}, "characters='all'"),
        ({"cast": [{"name": "Mara", "actor": float("nan")}], "characters": "all"}, "actor is nan; expected a text"),
        ({"cast": [{"name": float("nan")}]}, "name is nan; expected a text"),
        ({"cast": [{"name": 47}], "characters": "all"}, "name is 47; expected a text"),
        ({"characters": "some"}, "'recognised' or 'all'"),
        ({"pool": "foo"}, "pool is 'foo'; expected one of max, mean"),
        ({"max_people": -1}, "max_people is -1; expected a whole number, at least 0"),
        ({"max_people": "x"}, "max_people is 'x'"),
        ({"threshold": "x"}, "threshold is 'x'; expected a number or None"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"frames": 5}, "frames is 5; expected a function"),
        ({"progress": 5}, "progress is 5; expected a function"),
        ({"batch_windows": 0}, "at least 1"),
        ({"batch_windows": 1.5}, "batch_windows is 1.5; expected a whole number"),
        ({"batch_size": 2}, "batch_size is 2; expected none; use batch_windows"),
        ({"num_workers": 1}, "num_workers is 1; expected none"),
        ({"intervals": 3.0}, "intervals is 3.0; expected a list"),
        ({"intervals": [3.0]}, r"intervals: 3.0; expected \(start_s, end_s\)"),
        ({"intervals": ["12"]}, r"intervals: 12; expected \(start_s, end_s\)"),
        ({"intervals": [{"start_s": 0.0, "end_s": 1.0}]}, r"intervals: {'start_s.*; expected \(start_s, end_s\)"),
        ({"cast": ["Mara"]}, "cast entry Mara has no name; expected a dictionary"),
        ({"cast": "Mara"}, "cast is Mara; expected a list"),
        (
            {"cast": [{"name": "Mara", "portrait": np.zeros((9, 9))}]},
            r"image of float64 \(9, 9\); expected PIL or uint8",
        ),
        ({"subtitles": "film.srt"}, r"not used by the model: \['subtitles'\]"),
    ],
)
def test_errors(pipe: DistinctADPipeline, film: Path, changes: dict[str, Any], match: str) -> None:
    late = match.startswith(("end >= start", "not used"))  # seen with its pictures alone
    absent = film if late else film.with_name("absent.mp4")
    with pytest.raises(ValueError, match=match) as error:
        pipe(absent, **{"intervals": INTERVALS, **changes})  # said before the film is opened
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("late", [(4.0, 4.5), (100.0, 104.0)])
def test_a_clip_after_the_films_end_is_refused(pipe: DistinctADPipeline, film: Path, late: tuple[float, float]) -> None:
    """Its last picture was described instead, with a warning of Python's."""
    done: list[Any] = []
    with pytest.raises(ValueError) as error:
        pipe(film, [*INTERVALS, late], progress=lambda *at: done.append(at), **GREEDY)
    said = f"intervals: {late}; expected a start before the film's end, 4 s; correct the times or leave it out"
    assert str(error.value) == said and not done
    assert len(pipe(film, [(3.9, 4.5)], **GREEDY)) == 1


def test_one_film_a_call_and_no_batch_size_at_construction(pipe: DistinctADPipeline, film: Path) -> None:
    with pytest.raises(ValueError, match=r"film is \[.*; expected the path of one video file"):
        pipe([film, film], INTERVALS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size is 8; expected none"):
        DistinctADPipeline(model=pipe.model, processor=pipe.processor, device="cpu", batch_size=8)


def test_a_portrait_may_be_an_array(pipe: DistinctADPipeline, film: Path) -> None:
    cast = [{"name": "Mara", "portrait": portrait(1)}, {"name": "Joe", "portrait": portrait(2)}]
    arrays = [{**person, "portrait": np.asarray(person["portrait"])} for person in cast]
    assert pipe(film, INTERVALS[:2], arrays, **GREEDY) == pipe(film, INTERVALS[:2], cast, **GREEDY)


def test_the_models_generation_config_counts(film: Path) -> None:
    made = make()
    kept = made.model.generation_config
    kept.num_beams, kept.no_repeat_ngram_size, kept.max_new_tokens = 1, 0, 3
    assert made(film, INTERVALS[:2]) == made(film, INTERVALS[:2], **{**GREEDY, "max_new_tokens": 3})
    assert set(made._ends({})) == {"eos_token_id", "pad_token_id"}  # the tokenizer's, until somebody names others
    kept.eos_token_id = 7
    assert set(made._ends({})) == {"pad_token_id"} and made._ends({"pad_token_id": 3}) == {}


def test_no_film_and_no_processor(pipe: DistinctADPipeline, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        pipe(tmp_path / "absent.mp4", INTERVALS)
    with pytest.raises(ValueError, match="processor="):
        DistinctADPipeline(model=pipe.model)


LOAD = (
    ALONE
    + """
import json, sys
from transformers import AutoProcessor, pipeline
folder, film, intervals, cast, greedy, again = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:6]), sys.argv[6]
pipe = pipeline(model=folder, trust_remote_code=True, device="cpu", dtype="float32")  # as the card says
first = pipe(film, intervals=intervals, cast=cast, **greedy)
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
pipe.save_pretrained(again)
pipe = pipeline("audio-description", model=again, trust_remote_code=True, device="cpu")
print(json.dumps({"rows": first, "again": pipe(film, intervals=intervals, cast=cast, **greedy),
                  "ids": processor.token_ids, "class": type(pipe).__name__}))
"""
)


SAVE = (
    ALONE
    + """
import sys
from transformers import AutoModel, AutoProcessor
AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).save_pretrained(sys.argv[2])
AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True).save_pretrained(sys.argv[2])
"""
)
AGAIN = (
    ALONE
    + """
import json, sys
from transformers import pipeline
pipe = pipeline("audio-description", model=sys.argv[1], trust_remote_code=True, device="cpu")
print(json.dumps(pipe(sys.argv[2], intervals=json.loads(sys.argv[3]), **json.loads(sys.argv[4]))))
"""
)


def test_saved_the_usual_way_the_pipeline_still_loads(pipe: DistinctADPipeline, film: Path, tmp_path: Path) -> None:
    """What a Hub user does after training: the model and the processor save themselves, no pipeline was ever loaded."""
    pipe.save_pretrained(tmp_path / "published")
    assert not (tmp_path / "published" / "py.typed").exists()  # flat files are no package
    saved = tmp_path / "saved"
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    env.pop("PYTHONPATH", None)
    for home, code, arguments in (
        ("first", SAVE, (str(tmp_path / "published"), str(saved))),
        ("second", AGAIN, (str(saved), str(film), json.dumps(INTERVALS), json.dumps(GREEDY))),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, env={**env, "HF_HOME": str(tmp_path / home)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == pipe(film, INTERVALS, **GREEDY)


def test_fresh_process_without_the_repository(
    pipe: DistinctADPipeline, film: Path, cast: list[dict[str, Any]], tmp_path: Path
) -> None:
    files = []
    for number, person in enumerate(cast):
        path = None
        if isinstance(person["portrait"], Image.Image):
            path = str(tmp_path / f"{number}.png")
            person["portrait"].save(path)
        files.append({**person, "portrait": path or person["portrait"]})
    here = pipe(film, INTERVALS, files, **GREEDY)
    pipe.save_pretrained(tmp_path / "saved.v1")
    env = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    env.pop("PYTHONPATH", None)
    arguments = [str(film), *map(json.dumps, (INTERVALS, files, GREEDY)), str(tmp_path / "again")]
    command = [sys.executable, "-c", LOAD, str(tmp_path / "saved.v1"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    assert out["class"] == "DistinctADPipeline" and out["ids"] == pipe.processor.token_ids
    assert out["rows"] == here and out["again"] == here
