"""Caches what Stage II reads of MAD, CMD-AD and TV-AD: frame features, portraits, casts and recognised people.

The rows come from the data room's readers, with their rules for every quirk; the frames from MAD's features (h5, as
`distinctad features` writes them too) or from videos and frame folders through CLIP_AD. Each video is opened once
before the first is encoded: rows that begin after its end, or of one that cannot be read, are refused. The cache has
the layout of `train/features.py`, its rows also hold clip, times, split, the film's whole bank in billing order, whom
the AD names and, where the annotations know it, who was recognised.

Run: `python train/set_features.py CONFIG.yaml [--key value]`. Finished films are kept on a restart with equal inputs;
what became of every row is printed and stands in the cache's meta.json.
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm
from transformers import AutoTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.annotations import source_of
from datasets_scripts.banks import names_person
from datasets_scripts.builders import BUILDERS, contents_sha256
from datasets_scripts.frames import row_frames, video_end_s
from datasets_scripts.mad_features import MAD_FPS, MadFeatures
from datasets_scripts.repairs import OUTCOMES, REFUSED, RULES, Report
from datasets_scripts.schema import ADRow
from datasets_scripts.tables import TableError
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import embed_images, load_vision, weights_sha256
from modeling_distinctad.video_distinctad import VideoError
from train.arguments import parse_run
from train.features import META, join_chunks, load_images
from train.stops import plain_refusals

TOLD = 20  # lines on what is wrong with videos, of each rule


@dataclass
class SetArguments:
    """Which set, where its files lie, and which tower sees it."""

    set: str = field(default="mad-eval", metadata={"help": "mad-eval | cmd-ad | tv-ad"})
    clip: str = field(default="runs/clip_ad", metadata={"help": "tower of the features: folder or Hub id"})
    train: str = field(default="", metadata={"help": "annotations of the training split; empty: none"})
    eval: str = field(default="", metadata={"help": "annotations of the evaluation split"})
    bank: str = field(default="", metadata={"help": "character bank; empty: prompts without people"})
    keys: str = field(default="", metadata={"help": "mad2imdb.json where the bank needs it"})
    portraits: str = field(default="", metadata={"help": "folder of portraits by id"})
    root: str = field(default="", metadata={"help": "folder of videos or frames"})
    feature_file: str = field(default="", metadata={"help": "h5 file of features instead of videos"})
    source: str = field(
        default="",
        metadata={
            "help": "MAD: features (all films) | films | clips (both without Appendix E's six); empty: films, but "
            "features where feature_file names no tower"
        },
    )
    trust_unnamed: bool = field(default=False, metadata={"help": "MAD's own h5 names no tower: it is vanilla CLIP"})
    fps: float = field(default=0.0, metadata={"help": "rows a second of a feature_file that does not say; 0: MAD's 5"})
    recognised: bool = field(default=False, metadata={"help": "the files hold pred_ids (each set's with faces)"})
    num_frames: int = field(default=8, metadata={"help": "T frames a clip"})
    frame_fit: str = field(default="crop", metadata={"help": "crop | pad | squash"})
    device: str = field(default="cpu", metadata={"help": "where the tower computes"})


class FilmEncoder:
    """Reads one film after another and turns it into tensors and rows.

    Args:
        asked: what to read.

    Attributes:
        reports: split -> what became of all its rows, whichever films were encoded before.
    """

    def __init__(self, asked: SetArguments) -> None:
        if asked.set not in BUILDERS:
            raise ValueError(f"set is {asked.set!r}; expected one of {', '.join(BUILDERS)}; choose one")
        self.asked = asked
        self.tower = load_vision(asked.clip).eval()
        self.sha256 = weights_sha256(self.tower)
        self.tower.to(asked.device)
        tokenizer = AutoTokenizer.from_pretrained(asked.clip)
        self.processor = DistinctADProcessor(load_images(asked.clip), tokenizer, frame_fit=asked.frame_fit)
        self.features = self._features() if asked.feature_file else None
        self.source = source_of(asked.source, asked.root or ".", asked.feature_file)
        self.files = {name: path for name, path in (("train", asked.train), ("eval", asked.eval)) if path}
        if not self.files:
            raise ValueError("train and eval are both empty; expected an annotation file; name one")
        self.video_ends_s: dict[str, float | str] = {}
        if asked.root and self.features is None:
            self.video_ends_s = self._measure()
        self.readers = self._readers("cast" if asked.bank else "none")
        self.reports: dict[str, Report] = {split: reader.read_all() for split, reader in self.readers.items()}
        self.seen = self._recognition() if asked.recognised else {}

    def _features(self) -> MadFeatures:
        """The feature file.

        Raises:
            ValueError: it is another tower's, or has another rate than was told.
        """
        path, fps = self.asked.feature_file, self.asked.fps
        found = MadFeatures(path, self.sha256, fps=fps or MAD_FPS, trust_unnamed=self.asked.trust_unnamed)
        if fps not in (0, found.fps):
            raise ValueError(f"{path} says {found.fps} rows a second, fps is {fps}; expected one rate; leave fps out")
        return found

    def _measure(self) -> dict[str, float | str]:
        """Video -> seconds at which its pictures end, or why it cannot be read; each is opened once."""
        names = set[str]()
        for reader in self._readers("none").values():
            with suppress(TableError):  # a file that breaks off: `read_all` tells
                names.update(row.video for film in reader.films for row in reader.read(film) if not row.frame_numbers)
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(self._video_end_s, sorted(names))
            ends = tqdm(found, total=len(names), unit="video", desc="videos", disable=not names)
            return dict(zip(sorted(names), ends, strict=True))

    def _video_end_s(self, name: str) -> float | str:
        path = Path(self.asked.root) / name
        try:
            return video_end_s(path)
        except VideoError as error:
            return str(error).removeprefix(f"{path}: ")

    def _readers(self, characters: str) -> dict[str, Any]:
        asked = self.asked
        optional = {"bank": asked.bank, "keys": asked.keys, "portraits": asked.portraits, "root": asked.root,
                    "feature_file": asked.feature_file, "rate_hz": asked.fps}  # fmt: skip
        builder: Any = BUILDERS[asked.set](
            annotations=self.files, characters=characters, top=None, source=self.source, num_frames=asked.num_frames,
            **{key: value for key, value in optional.items() if value},
        )  # fmt: skip
        readers = {split: builder.reader(split) for split in self.files}
        for reader in readers.values():
            reader.video_ends_s = self.video_ends_s
        return readers

    def _recognition(self) -> dict[str, Any]:
        """Readers of whom recognition found, none of a training file that does not say; their findings join the others.

        Raises:
            ValueError: the evaluation file, or the only one, does not say.
        """
        found = {}
        for split, reader in self._readers("predicted").items():
            report = reader.read_all()
            self.reports[split].found = report.found | self.reports[split].found
            if not report.count("no_predictions"):
                found[split] = reader
            elif split == "eval" or "eval" not in self.files:
                raise ValueError(
                    f"{self.files[split]}: {report.count('no_predictions')} rows have no pred_ids; expected who was "
                    "recognised in each clip; give the file with faces, or leave --recognised out"
                )
        return found

    def films(self) -> list[tuple[str, str]]:
        """(split, film) of every film."""
        return [(split, film) for split, reader in self.readers.items() for film in reader.films]

    def inputs(self) -> dict[str, Any]:
        """What decides the cache beside the options: what the files hold, and which rows cannot be used."""
        asked = self.asked
        texts = {**self.files, "bank": asked.bank, "keys": asked.keys}
        found: dict[str, Any] = {name: contents_sha256(Path(path)) for name, path in texts.items() if path}
        found["rows"] = 3  # 2: with whole roles, whose words are no distinctive ones; 3: of the whole bank, and `told`
        if silent := [split for split in self.files if asked.recognised and split not in self.seen]:
            found["no_predictions"] = silent  # said only then: other caches stay valid
        if asked.portraits:
            pictures = [(p.name, p.stat()) for p in sorted(Path(asked.portraits).iterdir()) if p.is_file()]
            found["portraits"] = _digest([(name, stat.st_size, stat.st_mtime_ns) for name, stat in pictures])
        if asked.feature_file:
            stat = Path(asked.feature_file).stat()
            found["feature_file"] = [stat.st_size, stat.st_mtime_ns]  # too large to hash
        for split, report in self.reports.items():  # a video that is missing, or no longer
            refused = {rule: list(seen.rows) for rule, seen in report.found.items() if RULES[rule][0] == REFUSED}
            found[f"refused_{split}"] = _digest(refused)
        return found

    @torch.no_grad()
    def embed(self, images: list[Any]) -> Tensor:
        """Embeds (n, C) float16 of n pictures."""
        pixels = self.processor.frame_pixels(images).to(self.asked.device)
        return embed_images(self.tower, pixels).to("cpu", torch.float16)

    def frames(self, row: ADRow) -> Tensor:
        """Features (T, C) float16 of one clip."""
        count = self.asked.num_frames
        if self.features is not None:
            return torch.from_numpy(self.features.frame_features(row.film, row.start_s, row.end_s, count)).half()
        pictures = row_frames(row, Path(self.asked.root), count)
        return self.embed([pictures[i * len(pictures) // count] for i in range(count)])

    def film(self, split: str, film: str) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """Tensors and rows of a film; no rows where the reader refused them all."""
        rows = self.readers[split].read(film)
        if not rows:
            return {}, []
        seen = self.seen.get(split)
        found = {r.provenance.row: r.characters for r in seen.read(film)} if seen is not None else {}
        cast = rows[0].characters  # the film's bank, the same in every row
        places = {person.id: place for place, person in enumerate(cast)}
        frames = torch.stack([self.frames(row) for row in rows])
        faces = self._faces([person.portrait for person in cast], frames.shape[-1])
        told = []
        for row in rows:
            cells: dict[str, Any] = {
                "film": f"{split}/{film}", "clip": row.clip, "index": row.index, "text": row.text, "split": split,
                "start_s": row.start_s, "end_s": row.end_s, "names": [person.name for person in cast],
                "roles": [person.whole for person in cast], "actors": [person.actor for person in cast],
                "portraits": [bool(p.portrait) for p in cast],
                "told": [place for place, person in enumerate(cast) if names_person(row.text, person)],
            }  # fmt: skip
            if seen is not None:
                cells["predicted"] = [places[person.id] for person in found.get(row.provenance.row, ())]
            told.append(cells)
        told[0]["faces"] = len(faces)
        return {"frames": frames, "faces": faces}, told

    def _faces(self, portraits: list[str], width: int) -> Tensor:
        """Embeds (people, C) float16, 0 for those without a portrait; `width` C is the frames'."""
        faces = torch.zeros(len(portraits), width, dtype=torch.float16)
        for place, portrait in enumerate(portraits):
            if portrait:
                from PIL import Image

                from modeling_distinctad.film_formats_distinctad import PORTRAIT_FORMATS
                from modeling_distinctad.pipeline_distinctad import upright

                path = Path(self.asked.portraits) / portrait
                with Image.open(path, formats=PORTRAIT_FORMATS) as picture:
                    seen = self.embed([upright(picture)])[0]
                if len(seen) != width:
                    raise ValueError(
                        f"{self.asked.clip} gives {len(seen)} numbers a portrait, the features hold {width} a frame; "
                        "expected one tower; name as clip the one that made feature_file"
                    )
                faces[place] = seen
        return faces


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _counts(report: Report) -> dict[str, Any]:
    """Rows by outcome and by rule, as meta.json holds them."""
    rules = {rule: report.count(rule) for rule in sorted(report.found)}
    return {"file": report.file, "rows": report.rows, **report.outcomes, "rules": rules}


def _say(split: str, counts: dict[str, Any]) -> str:
    """One line on a split's rows, the refusing rules first."""
    rules = sorted(counts["rules"].items(), key=lambda item: -OUTCOMES.index(RULES[item[0]][0]))
    told = ", ".join(f"{rule} x {count} ({RULES[rule][0]})" for rule, count in rules)
    outcomes = " + ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
    return f"{split}: {counts['file']}, {counts['rows']} rows in = {outcomes}" + (f"; {told}" if told else "")


def _say_videos(split: str, report: Report) -> list[str]:
    """Lines on the videos behind a split's refused rows: which, why, and what to do."""
    lines = []
    for rule in ("unreadable_video", "no_frames"):
        told = list(dict.fromkeys(report.found[rule].details)) if rule in report.found else []
        lines += [f"{split}: {rule}: {detail}" for detail in told[:TOLD]]
        lines += [f"{split}: {rule}: and more"] if len(told) > TOLD else []
    return lines


def build_set_cache(asked: SetArguments, output_dir: str) -> Path:
    """Encodes all films of a set and joins them.

    Args:
        asked: the set and its tower.
        output_dir: folder of the cache.

    Returns:
        The folder; `FeatureCache` reads it. Its `meta.json` holds the tower's hash, the options, what became of every
        row, `image_size` (height, width) of the pictures in the tower, and `fps` of the feature file (None: from videos
        and frame folders, at the middles of equal parts).

    Raises:
        ValueError: a file cannot be read, or no row can be used.
    """
    folder, encoder = Path(output_dir), FilmEncoder(asked)
    options = {name: value for name, value in vars(asked).items() if name != "device"}
    if not asked.fps:
        del options["fps"]  # said only where it is told: other caches stay valid
    made_from = {"tower": encoder.sha256, **options, "source": encoder.source, "inputs": encoder.inputs()}
    read = {split: _counts(report) for split, report in encoder.reports.items()}
    rate = None if encoder.features is None else encoder.features.fps
    noted = {"image_size": [*encoder.processor.image_size], "fps": rate}  # follow from what the cache is made from
    meta = {**made_from, "read": read, **noted}
    print("\n".join(_say(split, counts) for split, counts in meta["read"].items()))
    for split, report in encoder.reports.items() if encoder.features is None else ():
        print("".join(f"{line}\n" for line in _say_videos(split, report)), end="")
    if (folder / META).is_file() and {**noted, **json.loads((folder / META).read_text(encoding="utf-8"))} == meta:
        return folder  # older caches note neither
    parts = folder / f"parts_{_digest(made_from)[:12]}"
    parts.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (split, film) in enumerate(tqdm(encoder.films(), unit="film", desc="features")):
        path = parts / f"{number:06d}.safetensors"
        lines = path.with_suffix(".jsonl")
        if not lines.is_file():
            tensors, rows = encoder.film(split, film)
            if rows:
                save_file(tensors, path)
            partial = lines.with_suffix(".partial")
            partial.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
            partial.replace(lines)  # comes last: the film is whole
        if lines.stat().st_size:
            paths.append(path)
    if not paths:
        files = ", ".join(encoder.files.values())
        raise ValueError(f"{files}: no row can be used; expected some; mend what the counts above name (root, files)")
    join_chunks(folder, paths, meta)
    return folder


def main() -> None:
    """Writes the cache to `output_dir`."""
    arguments, run = parse_run(SetArguments)
    with plain_refusals():
        build_set_cache(arguments, run.output_dir)


if __name__ == "__main__":
    main()
