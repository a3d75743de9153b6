"""Exact gradients of a loss over a whole batch that never fits into memory at once, on any number of ranks.

A contrastive loss couples all clips, so the batch cannot be cut and its gradients summed. But it reaches the tower only
through the embeddings V: (1) embed chunk by chunk without a graph, (2) join V over the ranks, (3) every rank computes
the same full-batch loss and dL/dV, (4) each embeds its own chunks again, with a graph, and back-propagates its slice of
dL/dV. Random numbers of each chunk (dropout) are stored in (1) and replayed in (4), so both passes embed the same.

Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"; own code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, distributed, nn


def world_size() -> int:
    """Number of ranks; 1 outside of distributed training."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather_rows(rows: Tensor) -> Tensor:
    """Joins equally shaped tensors of all ranks, without a graph.

    Args:
        rows: (P, ...) of this rank.

    Returns:
        (ranks * P, ...), in rank order, the same on every rank.
    """
    rows = rows.detach()
    if world_size() == 1:
        return rows
    sent = (rows.to(torch.uint8) if rows.dtype == torch.bool else rows).contiguous()
    parts = [torch.empty_like(sent) for _ in range(world_size())]
    distributed.all_gather(parts, sent)
    return torch.cat(parts).to(rows.dtype)


def gather_padded(rows: Tensor) -> Tensor:
    """As `gather_rows`, for ranks that padded differently.

    Args:
        rows: (P, W, ...); W may differ between ranks.

    Returns:
        (ranks * P, largest W, ...), padded with zeros (False).

    Raises:
        ValueError: a rank holds another number of rows.
    """
    if world_size() == 1:
        return rows.detach()
    shapes = gather_rows(torch.tensor([rows.shape[:2]], device=rows.device)).tolist()
    if len({count for count, _ in shapes}) > 1:
        raise ValueError(f"ranks hold {[n for n, _ in shapes]} clips, expected as many on each; drop the last batch")
    widest = max(width for _, width in shapes)
    return gather_rows(torch.cat([rows, rows.new_zeros(len(rows), widest - rows.shape[1], *rows.shape[2:])], dim=1))


class RandomState:
    """State of torch's generators, of the CPU and of one device, when the object was made.

    Python's and numpy's generators have no part: augmentation belongs into the data set, before the step.

    Args:
        device: where the tower computes.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cpu = torch.get_rng_state()
        self.there = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Inside, the generators go on from this state; afterwards from where they were."""
        devices = [] if self.there is None else [self.device]
        with torch.random.fork_rng(devices, device_type="cuda" if self.there is None else self.device.type):
            torch.set_rng_state(self.cpu)
            if self.there is not None:
                torch.get_device_module(self.device).set_rng_state(self.there, self.device)
            yield


def cached_backward(
    model: nn.Module,
    pixel_values: Tensor,
    loss_of: Callable[[Tensor], Tensor],
    chunk_size: int = 0,
    scale: float = 1.0,
    backward: Callable[[Tensor], None] = torch.Tensor.backward,
    no_sync: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Tensor:
    """Adds to the parameters' gradients those of the full-batch loss; memory is that of one chunk.

    Enter no autocast region around this call: its weight cache would hand the graph-free weights of pass (1) to pass
    (4). Let `model` enter it by itself, as accelerate's prepared models do; both passes then run alike.

    Args:
        model: embeds clips (P, F, 3, H, W) as (P, F, C); may be wrapped for distributed training, whose averaging over
            ranks is compensated for.
        pixel_values: (P, F, 3, H, W) of this rank, as many on every rank.
        loss_of: gives the loss (scalar) of the embeddings (ranks * P, F, C) of all ranks, the same on every rank.
        chunk_size: clips embedded with a graph at once; 0 or at least P: all, then nothing is embedded twice.
        scale: factor of the gradients, e.g. one over the accumulation steps.
        backward: back-propagates a scalar.
        no_sync: keeps `model` from averaging gradients over ranks; entered for every chunk but the last.

    Returns:
        The loss, a scalar without graph.

    Raises:
        ValueError: a negative chunk size.
    """
    if chunk_size < 0:
        raise ValueError(f"chunk_size is {chunk_size}, expected 0 (the whole batch) or more clips; set it to 0")
    ranks = world_size()
    if chunk_size == 0 or chunk_size >= len(pixel_values):
        frames = model(pixel_values)
        loss, gradient = _loss_and_gradient(frames, loss_of)
        backward((frames * (gradient * (scale * ranks))).sum())
        return loss
    chunks = pixel_values.split(chunk_size)
    states, embedded = [], []
    with torch.no_grad(), no_sync():
        for chunk in chunks:
            states.append(RandomState(pixel_values.device))
            embedded.append(model(chunk))
    loss, gradient = _loss_and_gradient(torch.cat(embedded), loss_of)
    # The gradient of a sum of products is the second factor itself; DDP divides by the ranks.
    slices = (gradient * (scale * ranks)).split(chunk_size)
    for number, (chunk, state, piece) in enumerate(zip(chunks, states, slices, strict=True)):
        with state.replayed(), nullcontext() if number == len(chunks) - 1 else no_sync():
            backward((model(chunk) * piece).sum())
    return loss


def _loss_and_gradient(frames: Tensor, loss_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The loss and dL/dV (P, F, C) for this rank's clips, of V (P, F, C)."""
    everywhere = gather_rows(frames).requires_grad_()
    with torch.enable_grad():
        loss = loss_of(everywhere)
    (gradient,) = torch.autograd.grad(loss, everywhere)
    first = len(frames) * (distributed.get_rank() if world_size() > 1 else 0)
    return loss.detach(), gradient[first : first + len(frames)]
