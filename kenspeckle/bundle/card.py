"""The card of a bundle: what a model is, what it expects, what it gives, how it was made and measured."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kenspeckle.crop import CropRule, Interpolation
from kenspeckle.decision import Calibrator

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputSpec(_Part):
    """The picture tensor: ``image`` uint8 (batch, height, width, 3), RGB."""

    name: Literal["image"] = "image"
    width: int = Field(ge=16, le=4096)
    height: int = Field(ge=16, le=4096)
    resize: Literal["squash"] = "squash"
    interpolation: Interpolation


class EmbeddingOutput(_Part):
    """``embedding`` float32 (batch, dim), unit length."""

    kind: Literal["embedding"] = "embedding"
    name: Literal["embedding"] = "embedding"
    dim: int = Field(ge=1, le=8192)


class BitsOutput(_Part):
    """``bits`` uint8 (batch, dim / 8), most significant bit first: the code of a hashing model."""

    kind: Literal["bits"] = "bits"
    name: Literal["bits"] = "bits"
    dim: int = Field(ge=8, le=8192, multiple_of=8)


class DetectionOutput(_Part):
    """``boxes`` float32 (batch, K, 4) in input pixels, ``scores`` float32 (batch, K) descending, ``count`` (batch).

    A detector of several classes has one more output ``classes`` int64 (batch, K), numbers of the names here.
    """

    kind: Literal["detection"] = "detection"
    boxes: Literal["boxes"] = "boxes"
    scores: Literal["scores"] = "scores"
    count: Literal["count"] = "count"
    max_boxes: int = Field(ge=1, le=1000)
    classes: tuple[str, ...] | None = Field(default=None, min_length=2, description="Names, if there are several.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return ("boxes", "scores", "count") if self.classes is None else ("boxes", "scores", "count", "classes")


class Calibration(_Part):
    """How similarities become probabilities, and against what "unknown" is judged."""

    calibrator: Calibrator
    cohort_size: int = Field(ge=1)
    cohort_origin: str
    same_thing: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Similarity from which a member of the cohort is taken for an enrolled thing.",
    )
    false_accept_rate: float = Field(gt=0, lt=1, description="Default asked rate.")
    fitted_on: str


class Training(_Part):
    """Where the model comes from."""

    summary: str
    data: list[dict[str, str | int]] = Field(description="Name, licence and count of each source.")
    seeds: list[int] = []
    code_revision: str = ""


class Measurement(_Part):
    """One figure: what was measured, on what, by which command."""

    metric: str
    data: str
    value: float
    interval: tuple[float, float] | None = None
    command: str


class ModelFile(_Part):
    """One ONNX file of the bundle."""

    sha256: Sha256
    precision: Literal["fp32", "fp16", "int8"]
    fingerprint: str
    measured: list[Measurement] = Field(default=[], description="A variant beside model.onnx.")


class Parity(_Part):
    """Agreement of the exported graph with the PyTorch model."""

    metric: Literal["min_cosine", "min_bit_agreement", "max_box_error_px"]
    value: float


class Card(_Part):
    """``card.json``: see DESIGN of the bundle format in docs/bundles.md."""

    schema_version: Literal[1] = 1
    kind: Literal["extractor", "detector"]
    name: Name
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    licence: str
    fingerprint: str
    files: dict[str, Sha256] = Field(description="Every file except card.json, by name.")
    models: dict[str, ModelFile] = Field(description="model.onnx and its variants.")
    input: InputSpec
    crop: CropRule | None = None
    output: Annotated[EmbeddingOutput | BitsOutput | DetectionOutput, Field(discriminator="kind")]
    calibration: Calibration | None = None
    training: Training
    evaluation: list[Measurement] = []
    parity: Parity
    limits: list[str] = []

    def function(self) -> dict[str, Any]:
        """The parts that, with the model file's bytes, define the function: they enter the fingerprint."""
        return {
            "input": self.input.model_dump(mode="json"),
            "crop": self.crop.model_dump(mode="json") if self.crop else None,
            # What a card leaves out must not change the fingerprints of bundles that are older than the field.
            "output": self.output.model_dump(mode="json", exclude_none=True),
        }
