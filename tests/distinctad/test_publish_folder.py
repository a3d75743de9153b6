"""`distinctad publish` destroys nothing, uploads nothing unasked, and takes nothing of the machine along."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from distinctad import publish, publish_parts
from distinctad.cli import app
from distinctad.errors import UserError
from distinctad.loading import CHECKPOINT


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one file each: what is tested is where they land and whether they are sent."""

    def one(folder: Path, *_: Any) -> None:
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(folder.name, encoding="utf-8")

    monkeypatch.setattr(publish, "write_model", lambda checkpoint, folder, repository: one(folder))
    monkeypatch.setattr(publish, "write_metric", lambda name, folder, owner: one(folder))
    monkeypatch.setattr(publish, "write_space", one)
    monkeypatch.setattr(publish, "write_dataset", one)


def empty(folder: Path) -> Path:
    """A new empty directory."""
    folder.mkdir(parents=True)
    return folder


def test_only_its_own_untouched_folder_is_replaced(quick: None, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    for _ in range(2):  # the second replaces the first
        assert len(publish.write(folder)) == 18
    mine = folder / "space" / "notes.txt"
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds 'space/notes.txt', which publish did not write"):
        publish.write(folder)
    mine.unlink()
    (folder / "model" / "README.md").write_text("edited", encoding="utf-8")
    with pytest.raises(UserError, match=r"holds 'model/README.md'"):
        publish.write(folder)
    other = empty(tmp_path / "other")
    (other / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="not empty and was not written by publish"):
        publish.write(other)
    with pytest.raises(UserError, match="is no folder"):
        publish.write(other / "thesis.tex")
    assert (other / "thesis.tex").read_text(encoding="utf-8") == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"hub", "other"}  # no work folder is left


def test_one_process_at_a_time_and_what_a_killed_one_left_is_swept(quick: None, tmp_path: Path) -> None:
    from datasets_scripts.one_writer import only_writer

    folder = tmp_path / "hub"
    (empty(tmp_path / ".hub.publish-killed") / "half").write_text("x", encoding="utf-8")
    with only_writer(tmp_path / ".hub.publish.lock", folder), pytest.raises(UserError, match="another process"):
        publish.write(folder)
    publish.write(folder)
    assert {path.name for path in tmp_path.iterdir()} == {"hub"}


def test_folders_of_the_machine_that_trained_stay_there(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(CHECKPOINT, mine)
    record = json.loads((mine / "run_record.json").read_text(encoding="utf-8"))
    record["config"]["clip"] = "/data/ann/clip"
    record["config"]["features"] = "C:\\Users\\Anna Berg\\runs\\features"
    record["command"] = "python train/stage2.py --clip /data/ann/clip"
    (mine / "run_record.json").write_text(json.dumps(record), encoding="utf-8")
    (mine / "training_args.bin").write_bytes(b"no")
    (mine / "trainer_state.json").write_text('{"best_model_checkpoint": "/data/ann/s2"}', encoding="utf-8")
    publish_parts.write_model(mine, tmp_path / "model", "lab/model")
    for name in ("run_record.json", "README.md", "config.json"):
        text = (tmp_path / "model" / name).read_text(encoding="utf-8")
        assert "/data/" not in text and "Anna" not in text
    written = json.loads((tmp_path / "model" / "run_record.json").read_text(encoding="utf-8"))
    assert written["config"]["clip"] == "clip" and written["command"] == "python train/stage2.py --clip clip"
    assert not {"training_args.bin", "trainer_state.json"} & {path.name for path in (tmp_path / "model").iterdir()}
    config = json.loads((mine / "config.json").read_text(encoding="utf-8"))
    config |= {"text_model_stored": False, "text_model_name_or_path": str(tmp_path)}
    with pytest.raises(UserError, match="language model is the folder"):
        publish_parts._public_config(config)


PARTS = st.text("abcÄö Z09_-", min_size=1, max_size=9).filter(lambda part: part == part.strip() and part[0] != "-")
ROOTS = st.sampled_from([("/", "/"), ("/Volumes/", "/"), ("C:\\", "\\"), ("d:/", "/"), ("\\\\nas\\anna\\", "\\")])


@settings(max_examples=150, deadline=None)
@given(root=ROOTS, folders=st.lists(PARTS, min_size=1, max_size=4), name=PARTS)
def test_a_path_of_any_system_becomes_its_name(root: tuple[str, str], folders: list[str], name: str) -> None:
    path = root[0] + root[1].join([*folders, name])
    record = {"config": {"clip": path, "more": [path, {path: 1.5}]}, "data": None, "seed": 3}
    assert publish_parts._public(record) == {
        "config": {"clip": name, "more": [name, {name: 1.5}]}, "data": None, "seed": 3,
    }  # fmt: skip
    tight = path.replace(" ", "_")
    said = f"python x.py a.yaml --clip {tight} --lm={tight} runs/lm '{tight}'"
    short = name.replace(" ", "_")
    assert publish_parts._public(said) == f"python x.py a.yaml --clip {short} --lm={short} runs/lm '{short}'"


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "//", "runs/pocket/lm", "runs\\pocket\\lm", "openai/clip-vit-base-patch32", "a / b", "and/or", "3/4",
        "s3://bucket/data/ann/x.json", "hf://owner/model", "see hf://owner/model/a/b", "C:", "12:30", "\\d+/x",
        "python train/stage2.py train/configs/pocket_stage2.yaml --lr 1e-4", "../runs/x", "~/x", "f: a/b",
    ],
)  # fmt: skip
def test_what_is_no_path_of_a_machine_stays(text: str) -> None:
    assert publish_parts._public(text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("C:\\Users\\Anna Berg\\runs\\stage2.yaml", "stage2.yaml"),
        ("/Volumes/Anna Berg/runs/x.yaml", "x.yaml"),
        ("C:\\Users\\Anna Berg\\", "Anna Berg"),
        ("\\\\nas\\anna", "\\"),  # a share's root has no name
        ("no file '/data//ann/x', 'C:\\\\Users\\\\ann\\\\y'", "no file 'x', 'y'"),
    ],
)
def test_owners_of_folders_stay_unknown(text: str, kept: str) -> None:
    assert publish_parts._public(text) == kept


def test_a_failure_leaves_the_earlier_folder(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub"
    publish.write(folder)

    def fail(*_: Any) -> None:
        raise UserError("film 1 cannot be made", "Change it.")

    monkeypatch.setattr(publish, "write_dataset", fail)
    with pytest.raises(UserError, match="film 1"):
        publish.write(folder)
    assert (folder / "publish.json").is_file() and {path.name for path in tmp_path.iterdir()} == {"hub"}


class FakeApi:
    """In place of `huggingface_hub.HfApi`: remembers what it was asked."""

    def __init__(self, fail: str = "") -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[dict[str, Any]] = []
        self.fail = fail

    def create_repo(self, repo_id: str, **given: Any) -> None:
        if repo_id == self.fail:
            raise RuntimeError("401: no token\nlog in")
        self.made.append((repo_id, given))

    def upload_folder(self, **given: Any) -> None:
        self.sent.append(given)


def test_uploading_takes_to_and_yes(quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    api = FakeApi()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    folder, run = str(tmp_path / "hub"), CliRunner().invoke
    for words, said in (
        ([folder], "neither --dry-run nor --to"),
        ([folder, "--yes"], "neither --dry-run nor --to"),
        ([folder, "--to", "lab", "--dry-run", "--yes"], "--dry-run uploads nothing"),
        ([folder, "--to", "lab/x", "--yes"], "--to is 'lab/x'"),
        ([folder, "--to", "lab"], "add --yes"),
    ):
        done = run(app, ["publish", *words])
        assert done.exit_code == 2 and said in done.output, done.output
    done = run(app, ["publish", folder, "--to", "lab", "--dry-run"])
    assert done.exit_code == 0 and "nothing was uploaded" in done.output and not api.made and not api.sent
    done = run(app, ["publish", folder, "--to", "lab", "--yes"])
    assert done.exit_code == 0
    assert "model lab/distinctad-pocket: 1 files, 5 bytes" in done.output and "README.md" in done.output
    assert done.output.index("18 repositories, 18 files") < done.output.index("uploading lab/distinctad-pocket")
    kinds = {name: given["repo_type"] for name, given in api.made}
    assert kinds["lab/distinctad-pocket"] == "model" and kinds["lab/distinctad-pocket-films"] == "dataset"
    assert kinds["lab/cider"] == kinds["lab/distinctad"] == "space" and len(kinds) == 18
    assert all(given["private"] for _, given in api.made)
    assert [Path(given["folder_path"]).name for given in api.sent][:2] == ["model", "action_score"]


def test_a_refusing_hub_is_told_in_one_line(quick: None, tmp_path: Path) -> None:
    parts = publish.write(tmp_path / "hub", owner="lab")
    api = FakeApi(fail="lab/bleu")
    with pytest.raises(UserError, match=r"^'lab/bleu' was not uploaded \(401: no token log in\)"):
        publish.upload(parts, api)
    assert [given["repo_id"] for given in api.sent][-1] == "lab/bertscore"


@pytest.mark.parametrize(
    ("record", "said"),
    [(None, "no run_record.json"), ("[", "cannot be read"), ('{"metrics": {}}', "lacks what a card tells")],
)
def test_a_model_without_its_record_is_refused(record: str | None, said: str, tmp_path: Path) -> None:
    shutil.copytree(CHECKPOINT, tmp_path / "mine")
    (tmp_path / "mine" / "run_record.json").unlink()
    if record is not None:
        (tmp_path / "mine" / "run_record.json").write_text(record, encoding="utf-8")
    done = CliRunner().invoke(app, ["publish", "--dry-run", str(tmp_path / "hub"), "--model", str(tmp_path / "mine")])
    assert done.exit_code == 2 and said in done.output and not (tmp_path / "hub").exists()


def test_an_installed_package_cannot_publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_parts, "CLONE", tmp_path)
    with pytest.raises(UserError, match="Run it in a clone"):
        publish.write(tmp_path / "hub")
