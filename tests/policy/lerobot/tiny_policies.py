"""Small LeRobot policies with random weights; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lerobot.configs import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

SIDE_PX = 64
WORDS = [
    "<pad>",
    "<unk>",
    "<s>",
    "</s>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    "bring",
    "the",
    "red",
    "blue",
    "mug",
    "book",
    "memory",
    "task",
    "to",
    "table",
    "in",
    "on",
    "of",
    "a",
    "and",
    "it",
    "is",
    "at",
    "was",
    "robot",
    "there",
    "s",
    "seen",
    "ago",
    "go",
    "-",
    ":",
    ".",
]
SPECIAL = {
    "image_token": "<image>", "fake_image_token": "<fake_token_around_image>", "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}  # fmt: skip


def features(cameras: tuple[str, ...] = ("front",)) -> dict[str, Any]:
    """Inputs and outputs of a small robot, as keyword arguments of a config."""
    seen = {
        f"observation.images.{name}": PolicyFeature(FeatureType.VISUAL, (3, SIDE_PX, SIDE_PX))
        for name in cameras
    }
    return {
        "input_features": {"observation.state": PolicyFeature(FeatureType.STATE, (3,)), **seen},
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (2,))}, "device": "cpu",
    }  # fmt: skip


def act(**options: Any) -> ACTConfig:
    """ACT with one layer of 16 channels."""
    return ACTConfig(
        **{**features(), **options}, chunk_size=2, n_action_steps=1, dim_model=16, n_heads=2, dim_feedforward=16,
        n_encoder_layers=1, n_vae_encoder_layers=1, latent_dim=4, pretrained_backbone_weights=None,
    )  # fmt: skip


def diffusion(**options: Any) -> DiffusionConfig:
    """Diffusion that looks at two frames and takes two steps from noise."""
    return DiffusionConfig(
        **{**features(), **options}, n_obs_steps=2, horizon=4, n_action_steps=1, down_dims=(8, 16), n_groups=4,
        diffusion_step_embed_dim=8, num_inference_steps=2, crop_shape=None, clip_sample=False, spatial_softmax_num_keypoints=4,
        pretrained_backbone_weights=None,
    )  # fmt: skip


def smolvla(folder: Path, **options: Any) -> SmolVLAConfig:
    """SmolVLA around a vision-language model of two small layers, whose parts are written to `folder` first."""
    write_smolvlm(folder)
    return SmolVLAConfig(
        **{**features(), **options}, chunk_size=2, n_action_steps=1, max_state_dim=4, max_action_dim=4, num_steps=2,
        resize_imgs_with_padding=(SIDE_PX, SIDE_PX), vlm_model_name=str(folder), num_vlm_layers=2, tokenizer_max_length=16,
        freeze_vision_encoder=False, train_expert_only=False,
    )  # fmt: skip


def write_smolvlm(folder: Path) -> None:
    """The config, tokenizer and processors of a very small SmolVLM; no weights."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        extra_special_tokens=SPECIAL,
    )  # fmt: skip
    size = {"longest_edge": SIDE_PX}
    SmolVLMProcessor(
        image_processor=SmolVLMImageProcessor(size=size, max_image_size=size), tokenizer=words,
        video_processor=SmolVLMVideoProcessor(size=size, max_image_size=size), image_seq_len=4,
    ).save_pretrained(folder)  # fmt: skip
    text = {
        "model_type": "llama", "vocab_size": len(WORDS), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": SIDE_PX, "patch_size": 16,
    }  # fmt: skip
    config = SmolVLMConfig(
        text_config=text, vision_config=vision, scale_factor=2, image_token_id=4, pad_token_id=0
    )
    config.save_pretrained(folder)


def seen(seed: int, *, num_rows: int = 1, cameras: tuple[str, ...] = ("front",)) -> dict[str, Any]:
    """What a robot senses: noise, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    images = {
        f"observation.images.{name}": torch.rand(num_rows, 3, SIDE_PX, SIDE_PX, generator=generator)
        for name in cameras
    }
    return {"observation.state": torch.zeros(num_rows, 3), **images}
