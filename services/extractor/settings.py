"""Settings of the extractor."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import CommonSettings


class ExtractorSettings(CommonSettings):
    """``KENSPECKLE_EXTRACTOR_…``."""

    model_config = SettingsConfigDict(env_prefix="KENSPECKLE_EXTRACTOR_", extra="ignore", frozen=True)

    bundles: tuple[Path, ...] = Field(
        default=(),
        description="Bundles to serve, the default one first; a JSON list. Without: `extractor` in the models folder.",
    )
    provider: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="Where the model runs. If CUDA is asked for and not to be had, the service is not ready.",
    )
    variant: str = Field(default="model.onnx", description="Model file of the bundle, e.g. `model.int8.onnx`.")
    threads: int = Field(default=0, ge=0, description="Threads of one model run; 0: one per core.")
    max_batch: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Most crops of one model run. Memory grows with it; on a CPU more is not faster, on a GPU it is.",
    )
    max_queued_crops: int = Field(default=256, ge=1, description="Crops waiting; beyond it requests get 429.")
    max_request_crops: int = Field(default=128, ge=1, description="Most crops of one request.")

    def paths(self) -> tuple[Path, ...]:
        """The bundles to serve."""
        return self.bundles or (self.models_dir / "extractor",)

    def thread_count(self) -> int:
        """Threads of one model run."""
        return self.threads or len(os.sched_getaffinity(0))
