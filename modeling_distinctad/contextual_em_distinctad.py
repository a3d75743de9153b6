"""Contextual expectation-maximisation attention: the paper's central idea (section 3.2, equations 6 to 8), alone.

The prompt vectors of one window of clips are soft-clustered on K bases; what recurs in the window lies in the bases.
Everything is vectorised over windows with masks: vectors that are not valid have no influence, not even by rounding
beyond 1e-6. All of it runs in float32 with autocast off. Letters: B windows, n vectors of a window (N clips x Q
prompt vectors), K bases, C width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init

_EPSILON = 1e-6


class EMResult(NamedTuple):
    """What contextual EM found in every window.

    Attributes:
        reconstruction: H^ (B, N, Q, C), the dtype of the input; 0 at padded clips.
        bases: (B, K, C) float32, as they form H^ and H~ (unit length where so configured).
        basis_mask: (B, K) bool, False at places beyond K' = min(K, n).
        responsibilities: Z (B, n, K) float32; rows sum to 1, rows of padded clips are 0.
    """

    reconstruction: Tensor
    bases: Tensor
    basis_mask: Tensor
    responsibilities: Tensor


def unit_length(vectors: Tensor) -> Tensor:
    """Scale vectors (B, n, C), or any (..., C), to length 1; a zero vector stays zero."""
    return functional.normalize(vectors, dim=-1, eps=_EPSILON)


def e_step(vectors: Tensor, bases: Tensor, basis_mask: Tensor, tau: float, cosine: bool) -> Tensor:
    """Responsibilities of the bases for every vector (equation 6): softmax over K of similarity / tau.

    Args:
        vectors: (B, n, C) float32, already centred where the similarity is centred.
        bases: (B, K, C) float32, centred alike.
        basis_mask: (B, K) bool, False for absent bases.
        tau: temperature; no other factor is hidden in the logit.
        cosine: similarity of directions instead of the inner product.

    Returns:
        (B, n, K) float32; absent bases get 0.
    """
    if cosine:
        vectors, bases = unit_length(vectors), unit_length(bases)
    logits = vectors @ bases.transpose(-1, -2) / tau
    return logits.masked_fill(~basis_mask.unsqueeze(-2), -torch.inf).softmax(dim=-1)


def m_step(vectors: Tensor, responsibilities: Tensor, bases: Tensor, min_mass: float = 1e-3) -> Tensor:
    """Move every basis to the weighted mean of its vectors (equation 7).

    Args:
        vectors: (B, n, C) float32.
        responsibilities: (B, n, K) float32, 0 for vectors that do not count.
        bases: (B, K, C) float32, the bases before this step.
        min_mass: a basis whose responsibilities sum to less keeps its value, so that no mean is taken of nothing.

    Returns:
        (B, K, C) float32.
    """
    weights = responsibilities.transpose(-1, -2)
    mass = weights.sum(dim=-1, keepdim=True)
    means = weights @ vectors / mass.clamp_min(min_mass)
    return torch.where(mass < min_mass, bases, means)


def initial_bases(vectors: Tensor, valid: Tensor, num_bases: int) -> tuple[Tensor, Tensor]:
    """Take K' = min(K, n) of a window's own valid vectors at equal stride, in (clip, latent) order.

    Deterministic and stateless, for any n and K (own choice: random bases collapse to the mean).

    Args:
        vectors: (B, n, C) float32.
        valid: (B, n) bool.
        num_bases: K.

    Returns:
        Bases (B, K, C), detached, and their mask (B, K) bool. A window without any valid vector gets one zero basis.
    """
    counts = valid.sum(dim=-1, keepdim=True)
    kept = counts.clamp(min=1, max=num_bases)
    places = torch.arange(num_bases, device=vectors.device).unsqueeze(0)
    basis_mask = places < kept
    # The k-th basis is the valid vector of rank floor(k n / K'); a stable sort puts the valid ones first, in order.
    ranks = (places * counts // kept).clamp(max=vectors.shape[1] - 1)
    order = (~valid).to(torch.int8).argsort(dim=-1, stable=True)
    index = order.gather(1, ranks)
    bases = vectors.detach().gather(1, index.unsqueeze(-1).expand(-1, -1, vectors.shape[-1]))
    return bases * (basis_mask & (counts > 0)).unsqueeze(-1), basis_mask


class ContextualEM(nn.Module):
    """Contextual EM over the valid prompt vectors of one window.

    Sources: equations 6 to 8 of the paper; EMANet and EMCL (its references 34 and 26) for the choices it leaves open.

    Args:
        config: fields `em_*` and `joint_size`; see `DistinctADConfig`.
    """

    def __init__(self, config: Any) -> None:
        """Build the stored bases, if the configuration asks for any."""
        super().__init__()
        self.num_bases, self.width = config.em_num_bases, config.joint_size
        self.rounds, self.tau, self.min_mass = config.em_rounds, config.em_tau, config.em_min_mass
        self.similarity, self.center = config.em_similarity, config.em_center
        self.unit_bases, self.start = config.em_bases_norm == "unit", config.em_bases_init
        self.gradient, self.momentum, self.seed = config.em_gradient, config.em_momentum, config.em_seed
        # What training windows leave for the moving average; plain attributes: neither saved nor broadcast.
        self.pending_sum: Tensor | None = None
        self.pending_count = 0
        if self.start == "parameter":
            self.bases = nn.Parameter(torch.empty(self.num_bases, self.width, dtype=torch.float32))
        elif self.start != "window":
            self.register_buffer("bases", torch.empty(self.num_bases, self.width, dtype=torch.float32))

    @torch.no_grad()
    def initialise(self) -> None:
        """Draw the stored bases from N(0, 1), the scale of the Perceiver's normalised outputs, under `em_seed`."""
        if self.start != "window":
            generator = torch.Generator(device="cpu").manual_seed(self.seed)
            drawn = torch.randn(self.num_bases, self.width, generator=generator, device="cpu", dtype=torch.float32)
            init.copy_(self.bases, drawn.to(self.bases.device))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ContextualEM:
        """Move with the model but stay float32: a moving average of momentum 0.9 stalls in bfloat16."""
        before = None if self.start == "window" else self.bases.detach()
        super()._apply(fn, recurse)
        if before is not None and not before.is_meta and self.bases.dtype != torch.float32:
            self.bases.data = before.to(device=self.bases.device, dtype=torch.float32)
        return self

    def forward(self, prompt_vectors: Tensor, clip_mask: Tensor) -> EMResult:
        """Run EM in every window.

        Args:
            prompt_vectors: H (B, N, Q, C), any float dtype.
            clip_mask: (B, N) bool, False at padded clips, which neither shape the bases nor are reconstructed.

        Returns:
            The reconstruction, the bases and the responsibilities of the last round.
        """
        frozen = torch.no_grad() if self.gradient == "none" else nullcontext()
        device = prompt_vectors.device.type
        exact = nullcontext() if device == "meta" else torch.autocast(device, enabled=False)  # meta knows no autocast
        with frozen, exact:
            return self._run(prompt_vectors, clip_mask)

    def _run(self, prompt_vectors: Tensor, clip_mask: Tensor) -> EMResult:
        batch, _, latents, width = prompt_vectors.shape
        vectors = torch.where(clip_mask[..., None, None], prompt_vectors, 0.0).float()
        offset = self._offset(vectors, clip_mask)
        valid = clip_mask.unsqueeze(-1).expand(-1, -1, latents).reshape(batch, -1)
        centred = (vectors - offset).masked_fill(~clip_mask[..., None, None], 0.0).reshape(batch, -1, width)
        window_mean = _masked_mean(vectors, clip_mask)
        shift = window_mean if self.similarity == "centred_cosine" or self.center == "latent" else 0 * window_mean
        shift = shift.reshape(batch, 1, width)
        bases, basis_mask = self._first_bases(centred, valid, shift)
        each_step_unit = self.unit_bases and self.similarity == "dot"
        if each_step_unit:
            bases = unit_length(bases)
        for number in range(self.rounds):
            traced = self.gradient == "all" or (self.gradient == "last" and number == self.rounds - 1)
            with nullcontext() if traced else torch.no_grad():
                z = e_step(centred, bases, basis_mask, self.tau, cosine=self.similarity != "dot")
                z = z * valid.unsqueeze(-1)
                bases = m_step(centred, z, bases, self.min_mass)
                if each_step_unit:
                    bases = unit_length(bases)
        whole = bases + shift
        self._leave_for_average(whole, clip_mask)
        reconstruction = self._reconstruct(z, bases, offset, latents)
        shown = unit_length(whole) if self.unit_bases else whole
        return EMResult(reconstruction.to(prompt_vectors.dtype), shown * basis_mask.unsqueeze(-1), basis_mask, z)

    def _offset(self, vectors: Tensor, clip_mask: Tensor) -> Tensor:
        """What is subtracted before EM and added back to H^: (B, 1, 1, C) or (B, 1, Q, C)."""
        if self.center == "latent":
            return _masked_mean(vectors, clip_mask, over_latents=False)
        mean = _masked_mean(vectors, clip_mask)
        return mean if self.similarity == "centred_cosine" else torch.zeros_like(mean)

    def _first_bases(self, centred: Tensor, valid: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        if self.start == "window":
            return initial_bases(centred, valid, self.num_bases)
        stored = self.bases.float().clone()  # a copy: the moving average must not edit what autograd saved
        mask = torch.ones(centred.shape[0], self.num_bases, dtype=torch.bool, device=centred.device)
        return stored.unsqueeze(0) - shift, mask

    def _reconstruct(self, z: Tensor, bases: Tensor, offset: Tensor, latents: int) -> Tensor:
        """H^ = Z M (equation 8) with the bases put back where they came from: (B, N, Q, C)."""
        z = z.unflatten(1, (-1, latents))
        seen = bases.unsqueeze(1) + offset.squeeze(1).unsqueeze(2)  # (B, 1 or Q, K, C)
        if self.unit_bases:
            seen = unit_length(seen)
        return torch.einsum("bnqk,bqkc->bnqc", z, seen.expand(-1, latents, -1, -1))

    @torch.no_grad()
    def _leave_for_average(self, bases: Tensor, clip_mask: Tensor) -> None:
        if self.start != "ema_buffer" or not self.training or torch._C._current_graph_task_id() != -1:
            return  # the last test: inside backward, that is a checkpoint's recomputation, which must not count twice
        filled = clip_mask.any(dim=-1)
        total = bases.detach()[filled].sum(dim=0)
        self.pending_sum = total if self.pending_sum is None else self.pending_sum + total
        self.pending_count += int(filled.sum())

    @torch.no_grad()
    def move_average(self) -> bool:
        """Move the "ema_buffer" bases by what the windows since the last call left; call after `optimizer.step`.

        With an initialised process group the sums of all ranks are added first, so that every rank moves alike: call
        it on every rank. Never inside `forward`: checkpointing would count twice and autograd's saved bases change.

        Returns:
            Whether the bases moved (False without any training window, or with other initial bases).
        """
        if self.start != "ema_buffer":
            return False
        total = torch.zeros_like(self.bases) if self.pending_sum is None else self.pending_sum.to(self.bases.device)
        count = torch.tensor([float(self.pending_count)], device=self.bases.device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(total)
            torch.distributed.all_reduce(count)
        self.pending_sum, self.pending_count = None, 0
        if count.item() == 0:
            return False
        self.bases.mul_(self.momentum).add_(total / count, alpha=1 - self.momentum)
        if self.unit_bases and self.similarity == "dot":
            self.bases.copy_(unit_length(self.bases))
        return True


def _masked_mean(vectors: Tensor, clip_mask: Tensor, over_latents: bool = True) -> Tensor:
    """Mean over valid clips (and prompt vectors): (B, 1, 1, C) or (B, 1, Q, C); 0 without a valid clip."""
    weights = clip_mask[..., None, None].to(vectors.dtype)
    mean = (vectors * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True).clamp_min(1.0)
    return mean.mean(dim=2, keepdim=True) if over_latents else mean


@torch.no_grad()
def em_health_figures(vectors: Tensor, result: EMResult, clip_mask: Tensor, alpha: float) -> dict[str, float]:
    """Figures that tell whether EM separates the clips of a window or blurs them into one.

    H is split into the mean of every latent slot over the clips (shared) and the rest (between clips). The gain of
    either part in some X is the regression coefficient <X part, H part> / <H part, H part>.

    Args:
        vectors: H (B, N, Q, C).
        result: what `ContextualEM` returned for it.
        clip_mask: (B, N) bool.
        alpha: weight of H^ beside H.

    Returns:
        Means over windows with two clips or more (nan without one): `used_bases` = exp of the entropy of the bases'
        mean use; `entropy` = mean entropy of a vector's responsibilities over log K' (0 with one basis);
        `kept_between_clips` = gain between clips over gain of the shared part, in H^; `contrast` = the same in
        H + alpha H^; `latent_share` = the latent slots' own share of H's energy ("latent" centring is due above 0.05).
    """
    figures: dict[str, list[float]] = {}
    for b in range(len(vectors)):
        # On the processor: Apple's GPUs know no float64.
        h, rebuilt = (x[b][clip_mask[b]].cpu().double() for x in (vectors, result.reconstruction))
        if len(h) < 2:
            continue
        z = result.responsibilities[b].unflatten(0, vectors.shape[1:3])[clip_mask[b]].flatten(0, 1).cpu().double()
        used, bases = z.mean(dim=0), int(result.basis_mask[b].sum())
        slot_mean = h.mean(dim=0, keepdim=True)

        def ratio(x: Tensor, h: Tensor = h, shared: Tensor = slot_mean) -> float:
            """Gain of what differs between clips over the gain of what they share; all (N, Q, C)."""
            mean = x.mean(dim=0, keepdim=True)
            between = ((x - mean) * (h - shared)).sum() / (h - shared).square().sum().clamp_min(1e-12)
            common = (mean * shared).sum() / shared.square().sum().clamp_min(1e-12)
            return float(between / common)

        spread = slot_mean - slot_mean.mean(dim=1, keepdim=True)
        row = {
            "used_bases": float(torch.special.entr(used).sum().exp()),
            "entropy": float(torch.special.entr(z).sum(-1).mean()) / math.log(bases) if bases > 1 else 0.0,
            "kept_between_clips": ratio(rebuilt),
            "contrast": ratio(h + alpha * rebuilt),
            "latent_share": float(spread.square().sum() * len(h) / h.square().sum().clamp_min(1e-12)),
        }
        for name, value in row.items():
            figures.setdefault(name, []).append(value)
    names = ("used_bases", "entropy", "kept_between_clips", "contrast", "latent_share")
    return {name: sum(figures[name]) / len(figures[name]) if name in figures else math.nan for name in names}


__all__ = ["ContextualEM", "EMResult", "e_step", "em_health_figures", "initial_bases", "m_step", "unit_length"]
