"""The settings of a training run."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from training.data.augment import Augmentation

SHIPPED = Path(__file__).parent / "recipes/shipped.yaml"


class Recipe(BaseModel):
    """Plain fine-tuning with retention: cosine softmax and supervised contrastive loss, AdamW, cosine decay, EMA."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    unseen_fold: int = Field(default=0, ge=0, le=2, description="Fold of the shared classes that trains nothing.")
    steps: int = Field(default=650, ge=1)
    size: int = Field(default=160, multiple_of=32, description="Side of the training views in pixels.")
    dim: int = 512
    classes_per_batch: int = Field(default=16, ge=2)
    pictures_per_class: int = Field(default=2, ge=2)
    retained_per_batch: int = Field(default=10, ge=0)
    copies: bool = Field(default=False, description="Two views of every retained picture join the contrastive loss.")
    frozen_blocks: int = Field(default=0, ge=0, description="First blocks that keep their weights, the stem with them.")
    trunk_rate: float = 2e-4
    neck_rate: float = 5e-4
    head_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup_share: float = 0.05
    scale: float = 24.0
    margin: float = Field(default=0.25, description="Radians; ramped up over the first third.")
    smoothing: float = 0.05
    contrastive_weight: float = 0.5
    temperature: float = 0.1
    retention_cosine: float = 8.0
    retention_relation: float = 40.0
    distillation: float = Field(default=0.0, ge=0, description="Weight of the ensemble's pairwise cosines as target.")
    ema: float = Field(default=0.99, ge=0, lt=1)
    shrinkage: float = Field(default=0.5, gt=0, le=1, description="Of the closed-form neck that is the start.")
    refit: bool = Field(default=False, description="Fit the neck anew, in closed form, on the trunk that is exported.")
    mix: float = Field(default=0.5, ge=0, le=1, description="Share of the tuned weights in the exported model.")
    augmentation: Augmentation = Augmentation()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from YAML; unknown keys are refused."""
    return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
