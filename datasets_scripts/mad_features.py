"""Frame features of films in MAD's layout: an HDF5 file with one dataset a film, (frames, C), at a fixed rate.

MAD publishes `CLIP_B32_frames_features_5fps.h5`: projected, not normalised embeddings of vanilla CLIP, float, no
attributes. Files written here have the same layout and say in attributes which tower made them; a reader refuses
another tower's. Source: data specification, "MAD-Eval"; method specification, Stage II "Frames"; attributes our choice.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modeling_distinctad.video_distinctad import frame_times

if TYPE_CHECKING:
    import h5py

FORMAT, FORMAT_VERSION = "distinctad.features", 1
MAD_FPS = 5.0
MAX_WIDTH = 8192  # numbers a frame; the widest CLIP projects to 1,280
MAX_CHUNK = 64 << 20  # bytes that one read unpacks at least, whatever it asks for
MAX_ATTRIBUTE = 1 << 16  # bytes
MAX_SPAN = 8192  # frames read as one slice, 12.6 MB of 768 halves: memory does not grow with the film
_CHUNK_FRAMES = 64  # of 512 halves: 64 KB, an AD of ten seconds at 5 fps in one read
_SLACK_S = 1.0  # features that end so much before an interval's end: rounding of containers and frame rates


class FeatureError(ValueError):
    """A feature file, film or interval that cannot be used; the message holds value, expectation and fix."""


def _h5py() -> Any:
    """Import h5py when it is first needed."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("h5py is missing; it reads MAD's feature files; run `pip install h5py`") from error
    return h5py


@contextlib.contextmanager
def _opened(path: Path, mode: str = "r") -> Iterator[h5py.File]:
    """Open an HDF5 file, or say why not."""
    try:
        file = _h5py().File(path, mode)
    except OSError as error:
        reason = "no such file" if not path.exists() else "not a whole HDF5 file"
        raise FeatureError(f"{path}: {reason}; expected a feature file; write it with `distinctad features`") from error
    with file, whole(path) if mode == "r" else contextlib.nullcontext():
        yield file


@contextlib.contextmanager
def whole(path: Path) -> Iterator[None]:
    """Reading of a feature file inside: what HDF5 raises on damage becomes one sentence.

    Args:
        path: the file.

    Raises:
        FeatureError: the file is damaged.
    """
    try:
        yield
    except FeatureError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise FeatureError(f"{path}: damaged ({reason}); expected a whole HDF5 file; fetch it again") from error


def read_settings(path: Path) -> dict[str, Any] | None:
    """What a feature file says about how it was made.

    Args:
        path: the file.

    Returns:
        Its attributes (tower_sha256, fps, width, height, ...), or None where it has none (MAD's own files).

    Raises:
        FeatureError: it cannot be read, or is of a newer format.
    """
    with _opened(path) as file:
        found = _attributes(file, path)
    if found.get("format") != FORMAT:
        return None
    if found.get("format_version") != FORMAT_VERSION:
        version = found.get("format_version")
        raise FeatureError(f"{path}: format version {version}; expected {FORMAT_VERSION}; use a newer distinctad")
    return found


def read_films(path: Path) -> dict[str, dict[str, Any]]:
    """The films of a feature file.

    Args:
        path: the file.

    Returns:
        Film id -> its dataset's attributes and "frames", its number of rows.

    Raises:
        FeatureError: it cannot be read or holds something else than (frames, C) datasets.
    """
    with _opened(path) as file:
        films = {}
        for name in file:
            if file.get(name, getlink=True).__class__.__name__ != "HardLink":
                raise FeatureError(f"{path}: '{name}' is a link to elsewhere; expected a dataset; write the file again")
            rows = file[name]
            if getattr(rows, "ndim", 0) != 2 or rows.dtype.kind != "f" or rows.external or rows.is_virtual:
                raise FeatureError(f"{path}: '{name}' is no (frames, C) dataset of floats; write the file again")
            unpacked = math.prod(rows.chunks or (1, rows.shape[1])) * rows.dtype.itemsize
            if rows.shape[1] > MAX_WIDTH or unpacked > MAX_CHUNK:
                raise FeatureError(
                    f"{path}: '{name}' is {rows.shape[1]} wide in pieces of {unpacked} bytes; expected at most "
                    f"{MAX_WIDTH} and {MAX_CHUNK}; write the file again"
                )
            films[name] = _attributes(rows, path) | {"frames": len(rows)}
    return films


def write_features(
    path: Path,
    settings: Mapping[str, Any],
    films: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]],
    keep: Path | None = None,
) -> None:
    """Write a feature file; it carries its name only when it is whole.

    Args:
        path: where to.
        settings: attributes of the file: tower, tower_sha256, fps, width, height, frame_fit.
        films: film id -> rows (frames, C) float16 or float32 (memory maps are copied piece by piece) and attributes.
        keep: a feature file whose films are copied first, those of the same id left out; may be `path` itself.

    Raises:
        OSError: if it cannot be written.
        FeatureError: `keep` cannot be read.
    """
    part = path.with_name(path.name + ".partial")
    part.unlink(missing_ok=True)  # of a run that was killed
    _reserve(part, [rows for rows, _ in films.values()], 0 if keep is None else keep.stat().st_size)
    with _opened(part, "w") as file:
        file.attrs.update(_stored({"format": FORMAT, "format_version": FORMAT_VERSION, **settings}))
        if keep is not None:
            with _opened(keep) as old:
                for name in old:
                    if name not in films:
                        old.copy(name, file)
        for name, (rows, attributes) in films.items():
            shape = (min(_CHUNK_FRAMES, len(rows)), rows.shape[1])
            stored = file.create_dataset(name, rows.shape, rows.dtype, chunks=shape, track_times=False)
            for start in range(0, len(rows), 4096):
                stored[start : start + 4096] = rows[start : start + 4096]
            stored.attrs.update(_stored(attributes))
    with part.open("r+b") as file:  # Windows syncs no file that is open for reading alone
        os.fsync(file.fileno())
    part.replace(path)


class MadFeatures:
    """Frame features of intervals, read from a file in MAD's layout.

    The file is opened when the first interval is asked for, once in every process (DataLoader workers), and only the
    rows around an interval are read. Row k shows the time k / fps; times below 0 (MAD-v2 holds some) mean 0.

    Rule for features that are shorter than the film: a frame before the first row or after the last takes that row;
    an interval that ends more than a second after the rows do is refused, so that nothing is replaced unseen.

    Args:
        path: the file.
        tower_sha256: hash of the tower that the features must come from (`weights_sha256`); None: not checked.
        fps: rows a second where the file does not say (MAD's own do not).
        trust_unnamed: with `tower_sha256`: accept a file that names no tower (MAD's own: vanilla CLIP).

    Attributes:
        films: film id -> number of rows.
        fps: rows a second.
        settings: the file's attributes; {} in MAD's own files.

    Raises:
        FeatureError: the file cannot be read, or comes from another tower or from an unnamed one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        tower_sha256: str | None = None,
        fps: float = MAD_FPS,
        trust_unnamed: bool = False,
    ) -> None:
        self.path = Path(path)
        self.settings: dict[str, Any] = read_settings(self.path) or {}
        self.films = {name: int(about["frames"]) for name, about in read_films(self.path).items()}
        self.fps = float(self.settings.get("fps", fps))
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise FeatureError(f"{self.path}: {self.fps} rows a second; expected a positive number; give fps=")
        made_by = self.settings.get("tower_sha256")
        if tower_sha256 is not None and made_by is None and not trust_unnamed:
            raise FeatureError(
                f"{self.path} names no tower; expected {tower_sha256[:12]}; "
                "pass trust_unnamed (--trust_unnamed true) where it is known to be that one"
            )
        if tower_sha256 is not None and made_by not in (None, tower_sha256):
            raise FeatureError(
                f"{self.path} was made by tower {str(made_by)[:12]}, expected {tower_sha256[:12]}; "
                "encode the films again"
            )
        self._file: h5py.File | None = None
        self._owner = 0

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind: a worker opens its own."""
        return {**self.__dict__, "_file": None, "_owner": 0}

    def rows(self, film: str, times_s: Sequence[float]) -> list[int]:
        """Numbers of the rows nearest to given times, the earlier one on a tie.

        Args:
            film: film id.
            times_s: times in seconds.

        Returns:
            One row number a time, inside the film.

        Raises:
            FeatureError: no such film, or one without rows.
        """
        if not self.films.get(film):
            raise FeatureError(f"{self.path} has no rows of '{film}'; expected one of {len(self.films)}; encode it")
        last = self.films[film] - 1
        return [min(max(0, math.ceil(time_s * self.fps - 0.5 - 1e-9)), last) for time_s in times_s]

    def frame_features(
        self, film: str, start_s: float, end_s: float, num_frames: int = 8, mode: str = "midpoint", seed: Any = None
    ) -> np.ndarray:
        """Features of an interval's frames, by default at start + (i + 0.5)(end - start) / T.

        Args:
            film: film id.
            start_s: start on the film's timeline, seconds.
            end_s: end, seconds.
            num_frames: T.
            mode: as of `frame_times`: midpoint, autoad or segment.
            seed: of "segment".

        Returns:
            (T, C) float32.

        Raises:
            FeatureError: no such film, no rows, or an interval that the rows do not reach.
            ValueError: an interval that ends before it starts.
        """
        wanted = self.rows(film, frame_times(start_s, end_s, num_frames, mode, seed))
        length_s = self.films[film] / self.fps
        if start_s >= length_s or end_s > length_s + _SLACK_S:
            raise FeatureError(
                f"{self.path}: film '{film}' has features to {length_s:.2f} s, "
                f"asked for {start_s:.2f} to {end_s:.2f} s; leave the row out or encode the whole film"
            )
        first = min(wanted)
        with whole(self.path):
            data = self._open()[film]
            if max(wanted) - first >= MAX_SPAN:
                return np.stack([data[row] for row in wanted]).astype(np.float32)
            # One slice and then an index: HDF5 is slow at scattered rows.
            piece = data[first : max(wanted) + 1]
        return np.asarray(piece[[row - first for row in wanted]], dtype=np.float32)

    def _open(self) -> h5py.File:
        """This process's handle; one inherited through a fork is not used."""
        if self._file is None or self._owner != os.getpid():
            self._file, self._owner = _h5py().File(self.path, "r"), os.getpid()
        return self._file


def _attributes(node: Any, path: Path) -> dict[str, Any]:
    """Attributes as plain values: numbers, and texts of a fixed length.

    Texts of a variable length are passed over unread: they lie in a heap of the file's, and HDF5 reads a damaged one
    for ever.

    Raises:
        FeatureError: one claims to be an array or to be large.
    """
    found = {}
    for name in node.attrs:
        about = node.attrs.get_id(name)
        if about.dtype.kind not in "SUifub":
            continue
        if about.shape not in ((), (1,)) or about.get_storage_size() > MAX_ATTRIBUTE:
            raise FeatureError(f"{path}: attribute '{name}' is {about.shape}; expected one value; write the file again")
        found[name] = _plain(node.attrs[name])
    return found


def _stored(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they are written: texts with a fixed length, see `_attributes`."""
    encoded = {name: value.encode() for name, value in attributes.items() if isinstance(value, str)}
    return {**attributes, **{name: np.array(raw, f"S{max(1, len(raw))}") for name, raw in encoded.items()}}


def _reserve(part: Path, films: Sequence[np.ndarray], kept_bytes: int) -> None:
    """See that there is room before HDF5 writes: a disk that fills under it can end the whole process.

    Raises:
        OSError: there is none.
    """
    # Whole chunks, and some for the file's own tables.
    rows = sum(-(-len(film) // _CHUNK_FRAMES) * _CHUNK_FRAMES * film.shape[1] * film.itemsize for film in films)
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with part.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, kept_bytes + rows + (len(films) + 1) * 4096)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _plain(value: Any) -> Any:
    """An attribute as a plain Python value."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value
