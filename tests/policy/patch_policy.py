"""A small policy to attach memory to."""

from __future__ import annotations

from torch import Tensor, nn


class PatchPolicy(nn.Module):
    """Patches to actions by a transformer, as vision policies are made."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Linear(6, 16)
        layer = nn.TransformerEncoderLayer(16, 4, dim_feedforward=32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, image: Tensor) -> Tensor:
        action: Tensor = self.head(self.encoder(self.patches(image)).mean(dim=1))
        return action
