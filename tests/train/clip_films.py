"""Small real films and the rows that cut them into clips, shared by the tests of Stage I's sources."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from datasets_scripts.schema import ADRow, Provenance


def write_film(path: Path, seconds: float = 6.0, rate: int = 10, key_every: int = 10) -> Path:
    """A film whose brightness rises by the frame, with a bright column that moves."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.options = {"g": str(key_every), "crf": "10"}
        for i in range(round(seconds * rate)):
            image = np.full((48, 64, 3), 20 + 3 * (i % 64), np.uint8)
            image[:, i % 64] = (255, 30 * (i % 8), 0)
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())
    return path


def rows_of(video: str, spans: Sequence[tuple[float, float]], film: str = "f", file: str = "rows.jsonl") -> list[ADRow]:
    """One row an interval."""
    return [
        ADRow(film, film, i, start, end, f"Text {i}.", (), video, Provenance(file, i))
        for i, (start, end) in enumerate(spans)
    ]


def write_rows(folder: Path, rows: Iterable[ADRow]) -> Path:
    """rows.jsonl in a folder."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row.to_dict()) + "\n" for row in rows), encoding="utf-8")
    return folder


def jpeg(shade: int, kind: str = "PNG") -> bytes:
    """A one-coloured picture of 20 x 10 pixels, without loss."""
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (shade, shade, shade)).save(file, kind)
    return file.getvalue()


def write_tar(path: Path, members: dict[str, Any]) -> Path:
    """A tar of name -> bytes, text, JSON-ready object or TarInfo."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            raw = content if isinstance(content, bytes) else (
                content if isinstance(content, str) else json.dumps(content)
            ).encode()  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return path
