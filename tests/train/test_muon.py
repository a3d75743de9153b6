"""The joined optimiser: each parameter in one part, schedules reach both, a saved state goes on to the bit."""

import pytest
import torch
from torch import nn

from train.muon import MuonAdamW


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(2)])
        self.encoder.stages = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1))

    def forward(self, x):
        x = x + self.encoder.stages(x[:, None, None]).mean((1, 2))
        for layer in (self.embed, *self.encoder.layers):
            x = torch.tanh(layer(x))
        return x.square().sum()


def build():
    torch.manual_seed(0)
    model = Small()
    return model, MuonAdamW(model, lr=1e-2, muon_lr=2e-2)


def step(model, optimizer, seed, items=4):
    optimizer.zero_grad()
    model(torch.randn(items, 6, generator=torch.Generator().manual_seed(seed))).backward()
    optimizer.step()


def test_every_parameter_is_in_exactly_one_part():
    model, optimizer = build()
    muon, adamw = ([p for g in part.param_groups for p in g["params"]] for part in optimizer.parts)
    kernel = model.encoder.stages[0].weight
    matrices = [p for p in muon if p.data_ptr() != kernel.data_ptr()]
    assert {id(p) for p in matrices} == {id(layer.weight) for layer in model.encoder.layers}
    assert [tuple(p.shape) for p in muon if p.data_ptr() == kernel.data_ptr()] == [(6, 9)]
    assert sorted(map(id, [*matrices, kernel, *adamw])) == sorted(map(id, model.parameters()))


def test_a_kernel_moves_as_its_matrix_would():
    model, optimizer = build()
    kernel = model.encoder.stages[0].weight
    before = kernel.detach().clone()
    step(model, optimizer, 1)
    matrix = nn.Parameter(before.reshape(6, 9).clone())
    matrix.grad = kernel.grad.reshape(6, 9).clone()
    torch.optim.Muon([matrix], lr=2e-2, weight_decay=0.01, momentum=0.95).step()
    assert not torch.equal(kernel, before)
    torch.testing.assert_close(kernel.detach().reshape(6, 9), matrix.detach())
    optimizer.zero_grad()
    assert kernel.grad is None


def test_the_update_of_a_matrix_is_near_orthogonal():
    model, optimizer = build()
    weight = model.encoder.layers[0].weight
    before = weight.detach().clone()
    step(model, optimizer, 1, items=256)
    values = torch.linalg.svdvals((before * (1 - 2e-2 * 0.01) - weight) / 2e-2)
    assert values.median() > 0.6 and values.max() < 1.3  # five Newton-Schulz steps leave 0.7 to 1.2, roughly


def test_a_schedule_reaches_both_parts():
    _, optimizer = build()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    optimizer.step()
    schedule.step()
    assert [part.param_groups[0]["lr"] for part in optimizer.parts] == [1e-2, 5e-3]


def test_a_restored_optimiser_goes_on_to_the_bit():
    model, optimizer = build()
    for seed in range(3):
        step(model, optimizer, seed)
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.load(_saved(optimizer), weights_only=True)
    step(model, optimizer, 9)
    other, restored = build()
    other.load_state_dict(weights)
    restored.load_state_dict(state)
    step(other, restored, 9)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def _saved(optimizer):
    import io

    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    return buffer


def test_a_model_without_layers_is_refused():
    with pytest.raises(ValueError, match="0 matrices"):
        MuonAdamW(nn.Linear(2, 2), lr=1e-3, muon_lr=1e-2)
