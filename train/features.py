"""Draws pocket films and caches what CLIP_AD's frozen vision tower sees: Stage II trains on features, not on pixels.

Stage II never changes the tower, so every frame is encoded once. The cache names the tower by the hash of its weights;
`FeatureCache` refuses another tower's. Frames are image embeds as produced: projected, not normalised.

Run: `python train/features.py train/configs/pocket_features.yaml [--key value]`. Finished chunks are kept on a restart.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from datasets_scripts.pocket.draw import draw_portrait
from datasets_scripts.pocket.story import make_film
from datasets_scripts.pocket.world import Film
from modeling_distinctad.processing_distinctad import DistinctADProcessor
from modeling_distinctad.towers_distinctad import load_vision, sides_of, weights_sha256, whole_of
from train.arguments import parse_run
from train.frame_cache import CACHE_BYTES, FrameCache
from train.pocket_frames import brush, drawn_pixels
from train.run_record import fingerprint
from train.stops import plain_refusals
from train.true_eyes import TOWER, seen_film, seen_people

FEATURES, ROWS, META = "features.safetensors", "rows.jsonl", "meta.json"
MOST_JOBS = 60  # Windows waits for no more processes, and a pool refuses more


@dataclass
class FeatureArguments:
    """Which films are encoded by which tower."""

    clip: str = field(default="runs/pocket/clip_ad", metadata={"help": "CLIP folder with tokenizer, image processor"})
    seeds: str = field(default="1-400,800001-800016", metadata={"help": "film seeds, ranges with both ends"})
    preset: str = field(
        default="clear", metadata={"help": "clear | crowded | crowded_control | mixed: even seeds crowded, odd clear"}
    )
    num_frames: int = field(default=8, metadata={"help": "frames a clip, at the midpoints of equal parts"})
    eyes: str = field(default="tower", metadata={"help": "tower | true: codes of the true facts, for ablations alone"})
    sides: bool = field(default=False, metadata={"help": "keep the frames' outer quarters too, for recognition"})
    frame_cache: str = field(default="", metadata={"help": "folder of drawn frames; empty: drawn anew every time"})
    chunk: int = field(default=10, metadata={"help": "films in a resumable chunk"})
    jobs: int = field(default=1, metadata={"help": "processes, each with one thread"})
    device: str = field(default="cpu", metadata={"help": "where the tower computes; films are drawn on the CPU"})

    def __post_init__(self) -> None:
        """Check the choices.

        Raises:
            ValueError: other eyes, or sides of pictures that are not drawn.
        """
        if self.eyes not in ("tower", "true") or (self.sides and self.eyes == "true"):
            raise ValueError(f"eyes is {self.eyes!r}, sides {self.sides}; expected tower, or true without sides")

    def preset_of(self, seed: int) -> str:
        """The story preset of a film."""
        return ("crowded", "clear")[seed % 2] if self.preset == "mixed" else self.preset


def parse_seeds(text: str) -> list[int]:
    """Reads "1-3,7" as [1, 2, 3, 7].

    Raises:
        ValueError: not numbers and ranges, a range that ends before it begins, or a seed twice.
    """
    seeds: list[int] = []
    for part in str(text).split(","):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if span is None:
            raise ValueError(f"seeds are {text!r}; expected numbers and ranges like 1-400,800001; mend the list")
        first, last = int(span[1]), int(span[2] or span[1])
        if last < first:
            raise ValueError(f"seeds {text!r}: {part.strip()} ends before it begins; expected {last}-{first}; mend it")
        seeds += range(first, last + 1)
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(
            f"seeds {text!r} name {len(seeds)} films, {len(set(seeds))} of them different; expected each once"
        )
    return seeds


def load_images(folder: str) -> Any:
    """The image processor of a CLIP folder, without torchvision."""
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil.from_pretrained(folder)


def frame_processor(clip: str, num_frames: int = 8, frame_fit: str = "squash") -> DistinctADProcessor:
    """A processor of a CLIP folder; it squashes pictures into the tower's square, as the pocket checkpoint's does."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(clip)
    return DistinctADProcessor(load_images(clip), tokenizer, num_frames=num_frames, frame_fit=frame_fit)


class Encoder:
    """Draws and encodes films with one tower.

    Args:
        arguments: what to encode with.
    """

    def __init__(self, arguments: FeatureArguments) -> None:
        self.arguments = arguments
        self.tower = load_vision(arguments.clip).eval().to(arguments.device)
        self.processor = frame_processor(arguments.clip, arguments.num_frames)
        self.cache = FrameCache(arguments.frame_cache, CACHE_BYTES) if arguments.frame_cache else None

    @torch.no_grad()
    def embed(self, images: list[Any]) -> Tensor:
        """Embeds (n, C) float16 of n pictures (H, W, 3) uint8."""
        return whole_of(self._seen(self.processor.frame_pixels(images))).to("cpu", torch.float16)

    def _seen(self, pixels: Tensor) -> Any:
        """The tower's output of pixels (n, 3, H, W). Channels last: a convolutional tower is half again as fast so."""
        placed = pixels.to(self.arguments.device)
        return self.tower(pixel_values=placed.contiguous(memory_format=torch.channels_last))

    @torch.no_grad()
    def film(self, seed: int) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """`frames` (clips, T, C), `faces` (cast, C), asked for `sides` (clips, T, 2, C), float16; one row a clip."""
        film = make_film(seed, self.arguments.preset_of(seed))
        true = self.arguments.eyes == "true"
        tensors = self._true_tensors(film) if true else self._drawn_tensors(film)
        rows = []
        for clip in film.clips:
            told = clip.facts[clip.told]
            rows.append({
                "film": str(seed), "index": clip.index, "text": clip.text, "person": told.person,
                "partner": told.partner, "names": [member.name for member in film.cast],
            } | ({"predicted": seen_people(clip)} if true else {}))  # fmt: skip
        return tensors, rows

    def _true_tensors(self, film: Film) -> dict[str, Tensor]:
        width = self.embed([draw_portrait(film.cast[0].look)]).shape[-1]  # as wide as what the tower says
        return seen_film(film, self.arguments.num_frames, width)

    def _drawn_tensors(self, film: Film) -> dict[str, Tensor]:
        frames, sides = [], []
        for clip in film.clips:
            seen = self._seen(drawn_pixels(clip, self.processor, self.cache))
            frames.append(whole_of(seen).to("cpu", torch.float16))
            if self.arguments.sides:
                sides.append(sides_of(seen).to("cpu", torch.float16))
        tensors = {"frames": torch.stack(frames), "faces": self.embed([draw_portrait(m.look) for m in film.cast])}
        if sides:
            tensors["sides"] = torch.stack(sides)
        return tensors

    def chunk(self, seeds: list[int], folder: Path) -> Path:
        """Encodes some films into `folder`; returns the chunk's path, which exists only when it is complete."""
        path = chunk_path(folder, seeds)
        films = [self.film(seed) for seed in seeds]
        for tensors, rows in films:
            rows[0]["faces"] = len(tensors["faces"])
        path.with_suffix(".jsonl").write_text(_lines(row for _, rows in films for row in rows), encoding="utf-8")
        joined = {name: torch.cat([tensors[name] for tensors, _ in films]) for name in films[0][0]}
        partial = path.with_suffix(".partial")
        save_file(joined, partial)
        partial.replace(path)
        return path


def chunk_path(folder: Path, seeds: list[int]) -> Path:
    """Where the chunk of these films lies: two lists that begin and count alike may name other films."""
    return folder / f"chunk_{seeds[0]}_{len(seeds)}_{fingerprint(seeds)[:8]}.safetensors"


def _lines(rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines, read line by line: a data set has hundreds of thousands."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


_worker: Encoder | None = None


def _start_worker(arguments: FeatureArguments) -> None:
    """Loads the tower once a process."""
    global _worker
    torch.set_num_threads(1)
    _worker = Encoder(arguments)


def _work(seeds: list[int], folder: Path) -> None:
    if _worker is None:
        raise RuntimeError("the worker has no tower; expected _start_worker to run first; start it through run_chunks")
    _worker.chunk(seeds, folder)


def run_chunks(arguments: FeatureArguments, todo: list[list[int]], folder: Path) -> Iterator[None]:
    """Encodes chunks in this process or in `jobs` others; yields after each."""
    jobs = min(arguments.jobs, len(todo), MOST_JOBS)
    if jobs <= 1:
        encoder = Encoder(arguments)
        for seeds in todo:
            encoder.chunk(seeds, folder)
            yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start_worker, (arguments,)) as pool:
        for job in [pool.submit(_work, seeds, folder) for seeds in todo]:
            job.result()
            yield None


def build_cache(arguments: FeatureArguments, output_dir: str) -> Path:
    """Encodes all films and joins the chunks.

    Args:
        arguments: films and tower.
        output_dir: folder of the cache.

    Returns:
        The folder with features.safetensors, rows.jsonl and meta.json, which names the tower by its folder and the hash
        of its weights, the pictures as drawn (`width`, `height`) and as they enter it (`image_size`), and `fps`: none,
        as every clip is drawn at its T moments. Caches of before the last two and the folder were noted stay valid.
    """
    folder = Path(output_dir)
    seeds = parse_seeds(arguments.seeds)
    size = frame_processor(arguments.clip).image_size
    noted = {"clip": arguments.clip, "image_size": [*size], "fps": None}
    meta: dict[str, Any] = {
        "tower": weights_sha256(load_vision(arguments.clip)), "seeds": arguments.seeds, "preset": arguments.preset,
        "num_frames": arguments.num_frames, "width": 320, "height": 180, "frame_fit": "squash",
        "drawing": brush(),
    }  # fmt: skip
    if arguments.sides:
        meta["sides"] = True
    if arguments.eyes == "true":
        meta["tower"] = TOWER
    meta |= noted
    held = json.loads((folder / META).read_text(encoding="utf-8")) if (folder / META).is_file() else {}
    if {**noted, **held, "clip": arguments.clip} == meta:  # one tower in two folders is one tower
        return folder
    chunks = [seeds[i : i + arguments.chunk] for i in range(0, len(seeds), arguments.chunk)]
    named = meta["tower"][:12].replace(" ", "_")
    made = f"{named}_{brush()[:8]}_{arguments.preset}_{arguments.num_frames}{'_sides' * arguments.sides}"
    parts = folder / f"parts_{made}"
    parts.mkdir(parents=True, exist_ok=True)
    todo = [chunk for chunk in chunks if not chunk_path(parts, chunk).is_file()]
    with tqdm(total=len(chunks), initial=len(chunks) - len(todo), unit="chunk", desc="features") as bar:
        for _ in run_chunks(arguments, todo, parts):
            bar.update()
    join_chunks(folder, [chunk_path(parts, chunk) for chunk in chunks], meta)
    return folder


def join_chunks(folder: Path, paths: list[Path], meta: dict[str, Any]) -> None:
    """Writes the cache from its chunks; meta.json goes first and comes last, and so marks a complete cache.

    Who trains on an older cache in the folder keeps it: files are replaced, never written over.

    Args:
        folder: of the cache.
        paths: tensors `frames` (clips, T, C), `faces` (people, C) and, if at all in every chunk, `sides` of each chunk;
            rows beside it as .jsonl, the first of each film with the number of its `faces`.
        meta: what the cache was made from.
    """
    tensors = [load_file(path) for path in paths]
    rows = [row for path in paths for row in read_lines(path.with_suffix(".jsonl"))]
    first_row = face_offset = faces = 0
    for number, row in enumerate(rows):
        if "faces" in row:  # the first row of a film
            first_row, face_offset, faces = number, face_offset + faces, row.pop("faces")
        row.update(first_row=first_row, face_offset=face_offset)
    (folder / META).unlink(missing_ok=True)
    joined = {k: torch.cat([part[k] for part in tensors]) for k in tensors[0]}
    for name, write in (
        (FEATURES, lambda path: save_file(joined, path)),
        (ROWS, lambda path: path.write_text(_lines(rows), encoding="utf-8")),
        (META, lambda path: path.write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")),
    ):
        write(folder / f"{name}.partial")
        (folder / f"{name}.partial").replace(folder / name)


def mapped_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, memory-mapped: nothing is read before it is used, and processes share the pages.

    Args:
        path: the file; 16- and 32-bit floats only. `load_file` would copy a whole data set into memory.

    Raises:
        ValueError: it is no such file, or shorter than its header says.
    """
    kinds = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(start - 8)) if start <= size else {}
        abouts = {name: about for name, about in header.items() if name != "__metadata__"}
        ends = {
            name: (start + about["data_offsets"][0], start + about["data_offsets"][1]) for name, about in abouts.items()
        }
        types = {name: (kinds[about["dtype"]], tuple(about["shape"])) for name, about in abouts.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is no safetensors file of floats; encode the films again") from error
    if not ends or max(last for _, last in ends.values()) > size:
        raise ValueError(f"{path} is shorter than its header says; expected a whole file; encode the films again")
    raw = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    try:
        return {name: raw[slice(*ends[name])].view(kind).view(shape) for name, (kind, shape) in types.items()}
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"{path} holds tensors of another size than it says; encode the films again") from error


class FeatureCache:
    """A folder that `build_cache` wrote.

    Args:
        folder: the folder.
        towers: hashes of the tower that will be used, one of which must have made the cache; none: not checked.

    Attributes:
        frames: (clips, T, C) float16, memory-mapped.
        faces: (cast members, C) float16.
        sides: (clips, T, 2, C) float16, the frames' outer quarters, where they were kept; else None.
        rows: one dictionary a clip.
        films: rows of each film in time order.
        meta: what the cache was made from.

    Raises:
        ValueError: the cache is not complete or was made by another tower.
    """

    def __init__(self, folder: str | Path, towers: Collection[str] = ()) -> None:
        folder = Path(folder)
        if not (folder / META).is_file():
            raise ValueError(f"{folder} holds no complete cache ({META} missing); run train/features.py for it")
        self.meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        if towers and self.meta["tower"] not in towers:
            expected = " or ".join(tower[:12] for tower in towers)
            raise ValueError(
                f"{folder} was made by tower {self.meta['tower'][:12]}, expected {expected}; encode the films again"
            )
        tensors = mapped_tensors(folder / FEATURES)
        self.frames, self.faces, self.sides = tensors["frames"], tensors["faces"], tensors.get("sides")
        self.rows = read_lines(folder / ROWS)
        self.films: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            self.films.setdefault(row["film"], []).append(number)

    def film_faces(self, row: dict[str, Any]) -> Tensor:
        """Portraits (cast, C) float32 of a row's film."""
        return self.faces[row["face_offset"] : row["face_offset"] + len(row["names"])].float()


def cache_of(model: Any, folder: str | Path) -> FeatureCache:
    """The cache that a trained model describes: made by its tower as it was trained, or as it is stored, rounded.

    Raises:
        ValueError: another tower's; see `FeatureCache`.
    """
    stored = weights_sha256(model.vision_tower)
    return FeatureCache(folder, sorted({model.config.vision_sha256 or stored, stored}))


def main() -> None:
    """Writes the cache to `output_dir`."""
    arguments, run = parse_run(FeatureArguments)
    with plain_refusals():
        build_cache(arguments, run.output_dir)


if __name__ == "__main__":
    main()
