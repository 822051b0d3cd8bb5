"""Settings of the detector."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kenspeckle.decision import SURE
from services.common.settings import CommonSettings


class DetectorSettings(CommonSettings):
    """``KENSPECKLE_DETECTOR_…``."""

    model_config = SettingsConfigDict(env_prefix="KENSPECKLE_DETECTOR_", extra="ignore", frozen=True)

    extractor_url: str = Field(default="http://127.0.0.1:8001", description="Address of the extractor.")
    indexer_url: str = Field(default="http://127.0.0.1:8002", description="Address of the indexer.")
    bundle: Path | None = Field(
        default=None, description="The detector's bundle. Without: `detector` in the models folder."
    )
    variant: str = Field(default="model.onnx", description="Model file of the bundle, e.g. `model.int8.onnx`.")
    threads: int = Field(default=0, ge=0, description="Threads of one model run; 0: one per core.")
    max_running: int = Field(default=0, ge=0, description="Requests worked on at the same time; 0: one per core.")
    max_waiting: int = Field(default=16, ge=0, description="Requests that may wait; beyond it they get 429.")
    upload_seconds: float = Field(default=60.0, gt=0, description="Longest time for a request's body to arrive.")
    min_score: float = Field(default=0.2, ge=0, le=1, description="Least detection score of an object.")
    enrol_score: float = Field(
        default=0.3, ge=0, le=1, description="Least detection score of the box that `crop=auto` takes."
    )
    sure: float = Field(default=SURE, ge=0, le=1, description="Least probability of a `known` answer.")
    suppress_iou: float = Field(
        default=0.5, ge=0, le=1, description="Overlap above which two boxes with one label are one object."
    )
    max_pictures: int = Field(default=64, ge=1, le=128, description="Most pictures of one enrolment.")

    def bundle_path(self) -> Path:
        """The bundle to serve."""
        return self.bundle or self.models_dir / "detector"

    def thread_count(self) -> int:
        """Threads of one model run."""
        return self.threads or len(os.sched_getaffinity(0))

    def running_count(self) -> int:
        """Requests worked on at the same time."""
        return self.max_running or len(os.sched_getaffinity(0))
