"""Who is in a clip: portraits of the cast against the clip's frames, in CLIP's joint space.

Source: method specification, "Test: the recognition file" and the design's "Names come from portraits"; the paper
takes recognised characters from AutoAD-II. The measure is our own choice: the plain cosine and, with half its weight,
the cosine of both sides centred. What all portraits share (a face before a plain wall) and what all frames of a window
share (its place and light) tell nobody apart and would rule a plain cosine alone; but who is seen all through a window
goes with its mean. On 48 films of the training range (1,545 clips) the person told stands first in 84 % of clips, by
either cosine alone in 83.
"""

from __future__ import annotations

import torch
from torch import Tensor

POOLS = ("max", "mean")
_CENTRED = 0.5  # weight of the centred cosine beside the plain one's 1


def similarities(frame_features: Tensor, frame_mask: Tensor, face_features: Tensor, pool: str = "max") -> Tensor:
    """Score every portrait in every clip: plain and centred cosine, weighed 2 to 1, pooled over the clip's frames.

    Args:
        frame_features: (N, T, C) frame embeddings of one window, as the tower gives them.
        frame_mask: (N, T) bool, False where no frame exists (and at padded clips).
        face_features: (F, C) portrait embeddings of the same tower.
        pool: "max" (seen in one frame is seen; default) or "mean".

    Returns:
        (N, F) float32 in [-1, 1]; -inf at clips without a frame. With one portrait, or one clip in the window, there
        is nothing to centre that side against (the person would go with the mean) and it is taken as it is.

    Raises:
        ValueError: shapes that do not fit together, or an unknown pool.
    """
    if pool not in POOLS:
        raise ValueError(f"pool is {pool!r}; expected one of {', '.join(POOLS)}; choose one")
    if frame_features.ndim != 3 or face_features.ndim != 2 or frame_features.shape[-1] != face_features.shape[-1]:
        raise ValueError(
            f"frames {tuple(frame_features.shape)} and faces {tuple(face_features.shape)}; expected (N, T, C) and "
            "(F, C) of one tower; encode both with the same model"
        )
    if frame_mask.shape != frame_features.shape[:2]:
        raise ValueError(
            f"frame mask {tuple(frame_mask.shape)}; expected {tuple(frame_features.shape[:2])}; pass the window's own"
        )
    present = frame_mask.bool().to(frame_features.device)
    normalise = torch.nn.functional.normalize
    frames, faces = frame_features.float(), face_features.float().to(frame_features.device)
    plain = normalise(frames, dim=-1) @ normalise(faces, dim=-1).T
    if int(present.any(dim=1).sum()) > 1:
        frames = frames - frames[present].mean(dim=0)
    if len(faces) > 1:
        faces = faces - faces.mean(dim=0)
    centred = normalise(frames, dim=-1) @ normalise(faces, dim=-1).T
    scores = (plain + _CENTRED * centred) / (1 + _CENTRED)
    if pool == "max":
        return scores.masked_fill(~present[..., None], float("-inf")).amax(dim=1)
    counts = present.sum(dim=1, keepdim=True)
    means = scores.masked_fill(~present[..., None], 0.0).sum(dim=1) / counts.clamp(min=1)
    return means.masked_fill(counts == 0, float("-inf"))


@torch.no_grad()
def recognise(
    frame_features: Tensor,
    frame_mask: Tensor,
    face_features: Tensor,
    max_people: int = 3,
    pool: str = "max",
    threshold: float | None = None,
) -> list[list[tuple[int, float]]]:
    """Name the portraits most likely to be seen in each clip of one window.

    Args:
        frame_features: (N, T, C) frame embeddings of the window.
        frame_mask: (N, T) bool, False where no frame exists.
        face_features: (F, C) portrait embeddings of the film's cast; F may be 0 or 1.
        max_people: most people named in a clip.
        pool: "max" or "mean" over a clip's frames.
        threshold: least score that counts; None: whoever is best is named, however low.

    Returns:
        For each clip (portrait index, score) best first, equal scores in the portraits' order; [] for a clip without
        a frame.

    Raises:
        ValueError: as `similarities`, or `max_people` under 0.
    """
    if max_people < 0:
        raise ValueError(f"max_people is {max_people}; expected 0 or more; raise it")
    if not len(face_features) or not max_people:
        return [[] for _ in range(len(frame_features))]
    scores = similarities(frame_features, frame_mask, face_features, pool).cpu()
    order = scores.argsort(dim=1, descending=True, stable=True)[:, :max_people]
    least = float("-inf") if threshold is None else threshold
    named = [[(int(i), float(row[i])) for i in best] for row, best in zip(scores, order, strict=True)]
    return [[(i, s) for i, s in people if s > float("-inf") and s >= least] for people in named]
