from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from stand_ins import write_film
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, GPT2Config, PreTrainedTokenizerFast
from typer.testing import CliRunner, Result

from distinctad.cli import app
from distinctad.exports import FILES, REVIEW
from modeling_distinctad.configuration_distinctad import DistinctADConfig
from modeling_distinctad.modeling_distinctad import DistinctADForConditionalGeneration
from modeling_distinctad.processing_distinctad import DistinctADProcessor

ROOT = Path(__file__).parents[2]
SRT = "1\n00:00:03,000 --> 00:00:05,000\nHello.\n\n2\n00:00:06,500 --> 00:00:08,000\nYes?\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line that a refusal is."""
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit) and "Traceback" not in result.output
    errors = [line for line in result.stderr.splitlines() if not line.startswith("Warning: ")]
    assert len(errors) == 1 and errors[0].startswith("Error: ") and errors[0].count(". ") >= 1
    return errors[0]


def tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet())}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder, core.post_processor = decoders.ByteLevel(), processors.ByteLevel(trim_offsets=True)
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>")


def alphabet() -> list[str]:
    return ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of a few thousand weights, window size 2, saved as any checkpoint is."""
    words = tokenizer()
    processor = DistinctADProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}), words,
        num_prompt_vectors=2, num_frames=2, window_size=2, face_tokens="always", frame_fit="squash",
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16,
        projection_dim=16,
    )  # fmt: skip
    text = GPT2Config(
        vocab_size=len(alphabet()), n_embd=16, n_layer=1, n_head=2, n_positions=160, initializer_range=0.5,
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = DistinctADForConditionalGeneration(
        DistinctADConfig(
            vision_config=vision, text_config=text, num_prompt_vectors=2, num_frames=2, window_size=2, em_num_bases=4,
            face_tokens="always", decode_max_new_tokens=6, decode_num_beams=2, **processor.token_ids,
        )
    )  # fmt: skip
    model.scale_projections()
    folder = tmp_path_factory.mktemp("model") / "tiny"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['distinctad', '--help']\n"
        "import atexit; heavy = {'torch', 'transformers', 'av', 'PIL', 'numpy', 'pandas'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules))))\n"
        "from distinctad.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in ("describe", "pocket", "score"))
    assert done.stdout.splitlines()[-1] == "[]"


def test_module_and_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "distinctad", "--version"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.split()[0]) == (0, "distinctad")


def test_a_dry_run_prints_the_intervals_and_needs_no_model(film: Path, cast: Path, tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text(SRT)
    result = run(
        "describe", film, "--subtitles", tmp_path / "s.srt", "--cast", cast, "--dry-run", "--out", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert "0:08.150" in result.stdout and "0:12.000" in result.stdout and "3 interval(s)" in result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "beams", [[], ["--num-beams", "1", "--contrast", "0.5", "--characters", "all", "--dtype", "bfloat16"]]
)
def test_a_film_is_described_end_to_end(
    film: Path, cast: Path, checkpoint: Path, tmp_path: Path, beams: list[str]
) -> None:
    (tmp_path / "s.srt").write_text(SRT)
    common = ["--subtitles", tmp_path / "s.srt", "--cast", cast, "--model", checkpoint, "--device", "cpu", *beams]
    for folder in ("a", "b"):
        result = run("describe", film, *common, "--out", tmp_path / folder)
        assert result.exit_code == 0, (result.output, result.exception)
    assert "custom code" not in result.output  # the checkpoint's own code is neither run nor asked about
    assert "unreviewed machine draft" in " ".join(result.stdout.split()) and "Traceback" not in result.output
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    made = json.loads((tmp_path / "a" / "descriptions.json").read_text(encoding="utf-8"))
    assert len(made["cues"]) == 3 and all(cue["text"] for cue in made["cues"])
    assert [(c["provenance"]["window"], c["provenance"]["position"]) for c in made["cues"]] == [(0, 0), (0, 1), (1, 0)]
    assert made["generation"]["num_beams"] == (1 if beams else 2)
    assert made["generation"]["contrast"] == (0.5 if beams else 0.0)
    assert made["generation"]["dtype"] == ("bfloat16" if beams else "float32")
    assert made["model"]["name"] == "tiny" and made["review"] == REVIEW
    assert {name for cue in made["cues"] for name in cue["characters"]} <= {"Mara", "Joël"}


def test_no_text_is_empty_even_from_a_model_that_says_nothing(film: Path, checkpoint: Path, tmp_path: Path) -> None:
    mute = copy_of(checkpoint, tmp_path / "mute")
    weights = load_file(mute / "model.safetensors")
    head = next(key for key in weights if key.endswith("ln_f.weight"))
    bias = head.replace("weight", "bias")
    embedding = next(key for key in weights if key.endswith("wte.weight"))
    weights[head].zero_()
    weights[embedding][2] = 3.0  # the end token wins, whatever is seen
    weights[bias].fill_(1.0)
    save_file(weights, mute / "model.safetensors", metadata={"format": "pt"})
    result = run("describe", film, "--model", mute, "--device", "cpu", "--out", tmp_path / "out")
    assert result.exit_code == 0, (result.output, result.exception)
    cues = json.loads((tmp_path / "out" / "descriptions.json").read_text(encoding="utf-8"))["cues"]
    assert len(cues) == 3 and all(cue["text"] for cue in cues)
    assert all(cue["provenance"]["text_from"] != "model" for cue in cues)
    assert "text(s)" in result.stderr


def copy_of(folder: Path, target: Path, without: str = "") -> Path:
    target.mkdir()
    for path in folder.iterdir():
        if path.name != without:
            (target / path.name).write_bytes(path.read_bytes())
    return target


def test_a_model_folder_that_lacks_something_is_refused(film: Path, checkpoint: Path, tmp_path: Path) -> None:
    said = {}
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        model = copy_of(checkpoint, tmp_path / f"no_{name}", without=name)
        said[name] = refused(run("describe", film, "--model", model, "--out", tmp_path / "out"))
    assert "no config.json" in said["config.json"] and "no .safetensors" in said["model.safetensors"]
    assert "cannot be loaded" in said["tokenizer.json"]
    weights = load_file(checkpoint / "model.safetensors")
    for tower in ("vision_tower", "language_model"):
        half = copy_of(checkpoint, tmp_path / tower)
        kept = {key: value for key, value in weights.items() if not key.startswith(tower)}
        assert 0 < len(kept) < len(weights)
        save_file(kept, half / "model.safetensors", metadata={"format": "pt"})
        assert tower in refused(run("describe", film, "--model", half, "--out", tmp_path / "out"))
    (half / "model.safetensors").write_bytes(b"\0" * 100)
    assert "cannot be loaded" in refused(run("describe", film, "--model", half, "--out", tmp_path / "out"))
    (half / "config.json").write_text('{"model_type": "gpt2"}')
    assert "of the type 'gpt2'" in refused(run("describe", film, "--model", half, "--out", tmp_path / "out"))
    (half / "config.json").write_text("[]")
    assert "config.json that cannot be read" in refused(
        run("describe", film, "--model", half, "--out", tmp_path / "out")
    )
    assert not (tmp_path / "out").exists()


def test_without_a_checkpoint_it_says_how_to_make_one(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distinctad import loading

    monkeypatch.setattr(loading, "CHECKPOINT", tmp_path / "none")
    error = refused(run("describe", film, "--out", tmp_path / "out"))
    assert "make pocket" in error and "--model" in error and not (tmp_path / "out").exists()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no film": ({"film": "none.mp4"}, "is not a file"),
    "no video": ({"film": "text.txt"}, "cannot be used"),
    "a truncated film": ({"film": "cut.mp4"}, "film 'cut.mp4'"),
    "no subtitles": ({"--subtitles": "none.srt"}, "the subtitles"),
    "binary subtitles": ({"--subtitles": "film.mp4"}, "the subtitles"),
    "wrong columns": ({"--intervals": "columns.csv"}, "lack a start or an end column"),
    "overlapping intervals": ({"--intervals": "overlap.csv"}, "lines 2 and 3 overlap"),
    "reversed interval": ({"--intervals": "reversed.csv"}, "line 2: end 1 s is not after"),
    "nan interval": ({"--intervals": "nan.csv"}, "line 2: start is 'nan'"),
    "interval past the end": ({"--intervals": "late.csv"}, "outside the film of 12.000 s"),
    "empty cast": ({"--cast": "nobody.json"}, "holds nobody"),
    "portrait no image": ({"--cast": "faces.json"}, "portrait 'text.txt' is no image"),
    "no model folder": ({"--model": "none/at/all"}, "neither a folder nor a hub id"),
    "out is a file": ({"--out": "text.txt"}, "is a file"),
    "no out": ({"--out": None}, "--out is missing"),
    "seed": ({"--seed": "-1"}, "seed is -1"),
    "guard": ({"--guard": "0.7"}, "leaves nothing of a gap"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(case: str, film: Path, tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "text.txt").write_text("nothing of use")
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    (tmp_path / "columns.csv").write_text("from,to\n1,2\n")
    (tmp_path / "overlap.csv").write_text("start,end\n1,3\n2,4\n")
    (tmp_path / "reversed.csv").write_text("start,end\n3,1\n")
    (tmp_path / "nan.csv").write_text("start,end\nnan,1\n")
    (tmp_path / "late.csv").write_text("start,end\n11,15\n")
    (tmp_path / "nobody.json").write_text("[]")
    (tmp_path / "faces.json").write_text('[{"name": "Ann", "portrait": "text.txt"}]')
    before = sorted(path.name for path in tmp_path.iterdir())
    change, said = BAD[case]
    options: dict[str, Any] = {"film": "film.mp4", "--model": checkpoint, "--out": "out", **change}
    arguments: list[object] = ["describe", tmp_path / options.pop("film")]
    for name, value in options.items():
        if value is not None:
            path = name in ("--out", "--subtitles", "--intervals", "--cast")
            arguments += [name, tmp_path / value if path else value]
    assert said in refused(run(*arguments))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(("option", "value"), [("--device", "abacus"), ("--device", "cuda:99"), ("--dtype", "int3")])
def test_a_device_or_dtype_that_is_not_there(
    film: Path, checkpoint: Path, tmp_path: Path, option: str, value: str
) -> None:
    error = refused(run("describe", film, "--model", checkpoint, "--out", tmp_path / "out", option, value))
    assert value in error and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--export", "all", "--duck", "5"], "--duck is 5.0"),
        (["--export", "all", "--candidates", "9"], "--candidates is 9"),
        (["--min-gap", "0"], "--min-gap is 0.0"),
        (["--max-length", "0"], "--max-length is 0.0"),
        (["--every", "nan"], "--every is nan"),
        (["--num-beams", "0"], "--num-beams is 0"),
        (["--batch-windows", "0"], "--batch-windows is 0"),
        (["--max-people", "0"], "--max-people is 0"),
    ],
)
def test_a_value_out_of_range_is_told_by_its_option(film: Path, words: list[str], said: str) -> None:
    assert refused(run("describe", film, "--out", "never", *words)).startswith(f"Error: {said}. Give")


@pytest.mark.parametrize("words", [["--voice", "auto"], ["--duck", "-5"], ["--candidates", "2"]])
@pytest.mark.parametrize("more", [["--out", "never"], ["--dry-run"]])
def test_an_option_that_is_not_read_is_refused(film: Path, words: list[str], more: list[str]) -> None:
    error = refused(run("describe", film, *words, *more))
    assert f"{words[0]} counts for --export all only. Add --export all" in error


def test_help_says_what_is_read_and_when() -> None:
    said = " ".join(run("describe", "--help").output.replace("│", " ").split())
    assert "SubRip, WebVTT, ASS or TTML" in said and said.count("--export all only:") == 3


def test_a_voice_that_is_not_there(film: Path, tmp_path: Path) -> None:
    (tmp_path / "s.srt").write_text(SRT)
    error = refused(run("plan", film, "--subtitles", tmp_path / "s.srt", "--voice", "nosuch"))
    assert "no voice 'nosuch' is installed" in error and "give another --voice" in error and "--export" not in error


def test_a_taken_place_is_told_with_the_options_of_the_command(film: Path, tmp_path: Path) -> None:
    for name in ("a.srt", "b.srt"):
        (tmp_path / name).write_text(SRT)
    error = refused(run("convert", tmp_path / "a.srt", tmp_path / "b.srt"))
    assert "holds b.srt already. Add --overwrite" in error and "--out" not in error
    (tmp_path / "descriptions.csv").write_text("")
    assert "Add --overwrite, or give another --out." in refused(run("describe", film, "--out", tmp_path))


def test_an_unknown_option_is_refused_too(film: Path) -> None:
    assert run("describe", film, "--nonsense").exit_code == 2


def test_a_name_of_a_file_that_is_no_markup(tmp_path: Path) -> None:
    film = write_film(tmp_path / "[bold]x[red].mp4", 2.0)
    result = run("describe", film, "--dry-run")
    assert result.exit_code == 0 and "[bold]x[red].mp4" in result.stdout
