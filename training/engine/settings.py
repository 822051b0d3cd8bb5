"""How the loop runs, whatever it trains."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LoopSettings(BaseModel):
    """Settings of the loop. Counts of steps are optimiser steps; one takes ``accumulate`` batches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(ge=1)
    seed: int = 0
    accumulate: int = Field(default=1, ge=1, description="Batches of one optimiser step; gradients are averaged.")
    log_steps: int = Field(default=10, ge=1, description="Steps between records in the log.")
    evaluate_every: int = Field(default=1, ge=0, description="Epochs between evaluations; 0: never.")
    evaluate_from: int = Field(default=0, ge=0, description="No evaluation before this many epochs.")
    keep_every: int = Field(default=0, ge=0, description="Epochs between checkpoints that are kept; 0: none.")
    save_steps: int = Field(default=1000, ge=1, description="Steps between checkpoints within an epoch.")
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    loss_scale: float = Field(default=65536.0, gt=0, description="First loss scale of fp16.")
    ema_decay: float | None = Field(default=None, ge=0, lt=1, description="Of the moving average of the weights.")
    ema_ramp: bool = Field(default=False, description="Decay at update n at most (1 + n) / (10 + n).")
    ema_cycle: int = Field(default=0, ge=0, description="Epochs after which the average begins anew; 0: never.")
    patience: int = Field(default=0, ge=0, description="Evaluations without a better one before it stops; 0: never.")
    channels_last: bool = False
    compile: bool = Field(default=False, description="Compile the network with torch.compile.")
    device: str = "cpu"
