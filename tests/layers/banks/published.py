"""The two published memory modules from their formulas, sharing no code with ours: one episode, lists, float64.

MemoryVLA's CogMemBank (its PerMemBank is the same for other tokens) and MemoryVLA+'s PerCogMemBank, in evaluation mode
and without dropout, with weights by the names of their state_dicts:

- a remembered entry's keys come from its tokens plus the embedding of its time, its values from the tokens alone;
- two layers: x = norm(q + attention), then norm(x + ffn(x)), where ffn is linear, exact GELU, linear;
- gate g = sigmoid(W [seen; retrieved] + b), output g * seen + (1 - g) * retrieved; or half of each ("add");
- one entry too many: the most similar neighbours (mean over tokens of the cosine) become their mean, or the oldest goes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(kw_only=True)
class PublishedBank:
    """One episode of a module; `role` is "per." or "cog." in MemoryVLA+ and empty in MemoryVLA."""

    state: Mapping[str, Tensor]
    capacity: int
    role: str = ""
    heads: int = 1
    stores_fused: bool = False
    merges: bool = True
    takes_mean_time: bool = False
    attends_at_first: bool = False
    kept: list[tuple[float, Tensor]] = field(default_factory=list)

    def step(self, seen: Tensor, time: float) -> Tensor:
        seen = seen.double()
        found = seen
        entries = self.kept or ([(time, seen)] if self.attends_at_first else [])
        if entries:
            values = torch.cat([tokens for _, tokens in entries])
            keys = torch.cat([tokens + self._embedded(second) for second, tokens in entries])
            for layer in range(2):
                found = self._layer(f"retrieval_blocks.{self.role}{layer}", found, keys, values)
        fused = self._fused(seen, found)
        self.kept.append((time, fused if self.stores_fused else seen))
        if len(self.kept) > self.capacity:
            self._make_room()
        return fused

    def _linear(self, name: str, rows: Tensor) -> Tensor:
        return rows @ self.state[f"{name}.weight"].double().T + self.state[f"{name}.bias"].double()

    def _norm(self, name: str, rows: Tensor) -> Tensor:
        centred = rows - rows.mean(dim=1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(dim=1, keepdim=True) + 1e-5)
        return scaled * self.state[f"{name}.weight"].double() + self.state[f"{name}.bias"].double()

    def _embedded(self, time: float) -> Tensor | float:
        name = f"timestep_embedders.{self.role}mlp" if self.role else "timestep_encoder.mlp"
        if f"{name}.0.weight" not in self.state:
            return 0.0
        half = self.state[f"{name}.0.weight"].shape[1] // 2
        angles = [time / 10_000 ** (i / half) for i in range(half)]
        waves = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
        risen = self._linear(f"{name}.0", torch.tensor([waves], dtype=torch.float64))
        return self._linear(f"{name}.2", risen / (1 + torch.exp(-risen)))

    def _layer(self, name: str, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        q, k, v = (
            self._linear(f"{name}.{part}_proj", rows)
            for part, rows in (("q", query), ("k", keys), ("v", values))
        )
        heads = []
        for part in torch.arange(query.shape[1]).chunk(self.heads):
            scores = torch.exp(q[:, part] @ k[:, part].T / math.sqrt(len(part)))
            heads.append(scores / scores.sum(dim=1, keepdim=True) @ v[:, part])
        x = self._norm(f"{name}.attn_norm", query + torch.cat(heads, dim=1))
        risen = self._linear(f"{name}.ffn.0", x)
        gelu = 0.5 * risen * (1 + torch.erf(risen / math.sqrt(2)))
        return self._norm(f"{name}.ffn_norm", x + self._linear(f"{name}.ffn.{3 if self.role else 2}", gelu))

    def _fused(self, seen: Tensor, found: Tensor) -> Tensor:
        name = f"gate_fusion_blocks.{self.role}proj"
        if f"{name}.weight" not in self.state:
            return (seen + found) / 2
        share = 1 / (1 + torch.exp(-self._linear(name, torch.cat([seen, found], dim=1))))
        return share * seen + (1 - share) * found

    def _make_room(self) -> None:
        if not self.merges:
            del self.kept[0]
            return
        units = [tokens / tokens.norm(dim=1, keepdim=True) for _, tokens in self.kept]
        cosines = [float((a * b).sum(dim=1).mean()) for a, b in pairwise(units)]
        i = max(range(len(cosines)), key=cosines.__getitem__)
        (first_time, first), (second_time, second) = self.kept[i : i + 2]
        time = (first_time + second_time) / 2 if self.takes_mean_time else first_time
        self.kept[i : i + 2] = [(time, (first + second) / 2)]


def weights(
    width: int, *, frequencies: int | None, gates: bool = True, role: str = "", seed: int = 0
) -> State:
    """Random weights under the published names; norms too are far from what they begin as."""
    generator = torch.Generator().manual_seed(seed)
    blocks = [f"retrieval_blocks.{role}{layer}" for layer in range(2)]
    shapes = {f"{block}.{part}_proj": (width, width) for block in blocks for part in "qkv"}
    shapes |= {f"{block}.ffn.0": (4 * width, width) for block in blocks}
    shapes |= {f"{block}.ffn.{3 if role else 2}": (width, 4 * width) for block in blocks}
    if gates:
        shapes[f"gate_fusion_blocks.{role}proj"] = (width, 2 * width)
    if frequencies is not None:
        name = f"timestep_embedders.{role}mlp" if role else "timestep_encoder.mlp"
        shapes |= {f"{name}.0": (width, frequencies), f"{name}.2": (width, width)}
    state = {}
    for name, (rise, fall) in shapes.items():
        state[f"{name}.weight"] = torch.randn(rise, fall, generator=generator) / math.sqrt(fall)
        state[f"{name}.bias"] = 0.3 * torch.randn(rise, generator=generator)
    for name in (f"{block}.{norm}" for block in blocks for norm in ("attn_norm", "ffn_norm")):
        state[f"{name}.weight"] = 1 + 0.3 * torch.randn(width, generator=generator)
        state[f"{name}.bias"] = 0.3 * torch.randn(width, generator=generator)
    return state
