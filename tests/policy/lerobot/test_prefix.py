"""Prefix tokens in front of vision transformers of torchvision and transformers, and a bank behind one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("lerobot", reason="LeRobot is not installed; run `make test-lerobot`")

from torch import Tensor, nn
from torchvision.models import VisionTransformer
from transformers import ViTConfig, ViTModel

from embodied_mem.layers.banks import PerceptualBank, PerceptualBankConfig
from embodied_mem.messages import Context, EntityTokens
from embodied_mem.policy import MemoryAdapter, PrefixTokens

pytestmark = pytest.mark.lerobot
WIDTH = 16


def told(name: str) -> Context:
    """Of one thing, the looks of which are drawn after its name."""
    vectors = np.random.default_rng(len(name)).normal(size=(2, 5)).astype(np.float32)
    ones = np.ones(2, dtype=np.float32)
    entities = EntityTokens(
        entity_ids=("e1",), labels=(name,), positions_robot_m=np.ones((2, 3), dtype=np.float32), vectors=vectors,
        ages_s=ones, confidences=ones, mask=np.array([True, False]),
    )  # fmt: skip
    return Context(robot="robot", stamp_ns=0, instruction=name, text="", entities=entities)


class TransformersViT(nn.Module):
    """Pictures to a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.vit = ViTModel(
            ViTConfig(
                image_size=32,
                patch_size=8,
                hidden_size=WIDTH,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=32,
            )
        )

    def forward(self, image: Tensor) -> Tensor:
        states: Tensor = self.vit(image).last_hidden_state
        return states


def torchvision_vit() -> tuple[nn.Module, nn.Module]:
    vit = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=WIDTH, mlp_dim=32, num_classes=3
    )
    nn.init.normal_(vit.heads.head.weight)
    return vit, vit.encoder.layers


def transformers_vit() -> tuple[nn.Module, nn.Module]:
    model = TransformersViT()
    return model, model.vit.encoder


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [torchvision_vit, transformers_vit])
def test_a_prefix_changes_what_a_vision_transformer_sees_and_leaves_no_trace(
    make: object, precision: torch.dtype
) -> None:
    assert callable(make)
    torch.manual_seed(0)
    model, encoder = make()
    model.eval().to(precision)
    prefix = PrefixTokens(width=WIDTH, vector_width=5, num_tokens=4)
    image = torch.randn(2, 3, 32, 32).to(precision)
    with torch.no_grad():
        bare = model(image)
        prefix.attach(encoder)
        assert torch.equal(model(image), bare)
        with prefix.of([told("mug"), told("bottle")], num_rows=2):
            about_both = model(image)
        with prefix.of([told("mug"), told("mug")], num_rows=2):
            about_mug = model(image)
        prefix.detach()
        assert torch.equal(model(image), bare)
    assert about_both.shape == bare.shape
    assert about_both.dtype == precision
    assert not torch.allclose(about_both, bare, atol=1e-3)
    assert torch.equal(about_both[0], about_mug[0])
    assert not torch.allclose(about_both[1], about_mug[1], atol=1e-3)


def test_a_bank_goes_behind_the_encoder_of_transformers() -> None:
    torch.manual_seed(0)
    model, encoder = transformers_vit()
    model.eval()
    bank = PerceptualBank(PerceptualBankConfig(num_tokens=17, token_width=WIDTH, capacity=4))
    memory = MemoryAdapter(bank, num_channels=WIDTH).attach(encoder)
    images = torch.randn(2, 1, 3, 32, 32)
    with torch.no_grad():
        with memory.at(0):
            shut = model(images[0])
        memory.gate.fill_(2.0)
        with memory.at(10**9):
            opened = model(images[1])
        memory.detach()
        assert torch.equal(shut, model(images[0]))
        assert not torch.allclose(opened, model(images[1]), atol=1e-3)


def test_a_prefix_learns_through_a_frozen_vision_transformer() -> None:
    torch.manual_seed(0)
    model, encoder = torchvision_vit()
    model.requires_grad_(False)
    prefix = PrefixTokens(width=WIDTH, vector_width=5, num_tokens=4).attach(encoder)
    image, wanted = torch.zeros(2, 3, 32, 32), torch.tensor([0, 1])
    optimizer = torch.optim.Adam(prefix.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        with prefix.of([told("mug"), told("bottle")], num_rows=2):
            loss = nn.functional.cross_entropy(model(image), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
