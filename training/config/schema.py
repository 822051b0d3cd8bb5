"""The sections of a RecModel configuration, under the keys of the old YAML.

What is inside a named part (a backbone's options, a loss's, a transform's) is checked by the registry that builds it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from training.config.overrides import apply_overrides
from training.config.reading import ConfigError, read_yaml
from training.config.section import Section, described

Named = Mapping[str, Any]
NamedList = Sequence[Mapping[str, Any]]
OTHER_LOG = "TensorBoard files are always written"
MODES = {
    "fixmatch": "pictures without labels train nothing here; give labelled ones",
    "fixmatch_ccssl": "pictures without labels train nothing here; give labelled ones",
    "progressive": "sizes and strengths that grow by epoch are not there; leave it out, or use MultiScaleSampler",
    "adaface": "pairs of faces are not compared; eval_mode retrieval measures recall and mAP of faces too",
}
OWN_LOADER = "pictures are decoded by the loader's worker processes"


class GlobalSection(Section):
    """``Global``: the run as a whole."""

    meaningless: ClassVar[Mapping[str, str]] = {
        "use_visualdl": OTHER_LOG,
        "log_ranks": "the first process logs",
        "use_dali": OWN_LOADER,
        "print_mem_info": "not printed",
        "uniform_output_enabled": "a run folder always has the same files",
        "export_for_fd": "see the command export",
        "use_multilabel": "recognition has one label per picture",
        "infer_imgs": "give the pictures to the command infer",
        "save_inference_dir": "give the folder to the command export",
    }

    epochs: int = Field(default=100, ge=1)
    output_dir: Path = Path("output")
    device: str = Field(default="gpu", description="gpu is used where there is one.")
    seed: int = 0
    checkpoints: Path | None = Field(default=None, description="Checkpoint to go on from, e.g. output/latest.")
    pretrained_model: Path | None = Field(default=None, description="Weights to start from: checkpoint or file.")
    save_interval: int = Field(default=0, description="Epochs between checkpoints that are kept; 0: none.")
    save_steps: int = Field(default=1000, ge=1, description="Steps between checkpoints within an epoch.")
    eval_during_train: bool = False
    eval_interval: int = Field(default=1, ge=1, description="Epochs between evaluations.")
    start_eval_epoch: int = Field(default=0, ge=0)
    early_stop: int = Field(default=0, ge=0, description="Stop after so many evaluations without a better one.")
    iter_per_epoch: int | None = Field(default=None, ge=1, description="Batches in an epoch, if not all there are.")
    update_freq: int = Field(default=1, ge=1, description="Batches of one optimiser step.")
    print_batch_step: int = Field(default=10, ge=1, description="Steps between records in the log.")
    image_shape: tuple[int, int, int] = Field(default=(3, 224, 224), description="Channels, height, width for export.")
    eval_mode: Literal["retrieval", "classification"] = "retrieval"
    train_mode: Literal["metabin"] | None = Field(default=None, description="metabin, or the plain mode.")
    warmup_iter: int = Field(default=0, ge=0, description="Of metabin: steps without the gates' part.")
    class_num: int | None = Field(default=None, ge=1, description="Has to agree with Arch.Head.class_num.")
    feature_normalize: bool = True
    feature_binarize: Literal["round", "sign"] | None = None
    retrieval_feature_from: Literal["features", "backbone", "neck"] = "features"
    re_ranking: bool = False
    upstream_metrics: bool = Field(default=False, description="Figures as the old stack printed them.")
    sim_block_size: int = Field(default=64, ge=1, description="Queries of a block, which changes upstream_metrics.")
    channels_last: bool = False
    to_static: bool = Field(default=False, description="Compile the network with torch.compile.")

    @field_validator("save_interval")
    @classmethod
    def _never(cls, value: int) -> int:
        return max(value, 0)

    @field_validator("train_mode", "eval_mode", mode="before")
    @classmethod
    def _no_other_mode(cls, value: Any) -> Any:
        if value in MODES:
            raise ValueError(f"{value} is not part of this stack: {MODES[value]}")
        return value

    @field_validator("seed", mode="before")
    @classmethod
    def _no_seed(cls, value: Any) -> Any:
        return 0 if value is None or value is False else value

    @field_validator("checkpoints", "pretrained_model", mode="before")
    @classmethod
    def _no_path(cls, value: Any) -> Any:
        if value is True:
            raise ValueError("wanted a path; for ImageNet weights say Arch.Backbone.pretrained: True")
        if isinstance(value, str) and "://" in value:
            raise ValueError("nothing is downloaded: fetch the file, import-paddle reads .pdparams, and give its path")
        return value or None


class Part(Section):
    """A layer by name."""

    meaningless: ClassVar[Mapping[str, str]] = {"output_dim": "follows from the layer"}
    name: str


class ArchSection(Section):
    """``Arch``: the network."""

    meaningless: ClassVar[Mapping[str, str]] = {
        "infer_add_softmax": "features leave the network as they are",
        "is_rec": "labels always reach the network",
    }

    name: Literal["RecModel", "DistillationModel"] = "RecModel"
    infer_output_key: str | None = "features"
    Backbone: Named | None = None
    BackboneStopLayer: Part | None = None
    Neck: Named | None = None
    Head: Named | None = None
    head_feature_from: Literal["neck", "backbone"] = "neck"
    use_sync_bn: bool = False
    class_num: int | None = None
    models: NamedList | None = None
    freeze_params_list: Sequence[bool] | None = None
    pretrained_list: Sequence[str | None] | None = None
    infer_model_name: str = "Student"

    @model_validator(mode="after")
    def _whole(self) -> "ArchSection":
        if self.name == "RecModel" and self.Backbone is None:
            raise ValueError("a RecModel needs a Backbone, for example Backbone: {name: PPLCNet_x1_0}")
        if self.name == "DistillationModel" and not self.models:
            raise ValueError("a DistillationModel needs models: [{Teacher: …}, {Student: …}]")
        return self


class LossSection(Section):
    """``Loss``: what is minimised."""

    meaningless: ClassVar[Mapping[str, str]] = {"Eval": "evaluation measures what Metric.Eval says"}
    Train: NamedList = Field(min_length=1)
    Basic: NamedList | None = Field(default=None, min_length=1, description="Of metabin, instead of Train.")
    MetaTrain: NamedList | None = Field(default=None, min_length=1)
    MetaTest: NamedList | None = Field(default=None, min_length=1)
    single_weight_ignored: bool = Field(default=False, description="A loss alone counts with weight 1, as it did.")


class Source(Section):
    """Pictures, which of them make a batch, and who reads them."""

    dataset: Named
    sampler: Named = Field(default_factory=dict)
    loader: Named = Field(default_factory=dict)


class Evaluation(Section):
    """``DataLoader.Eval``: Query and Gallery, one of them alone, or a data set itself."""

    Query: Source | None = None
    Gallery: Source | None = None
    dataset: Named | None = None
    sampler: Named = Field(default_factory=dict)
    loader: Named = Field(default_factory=dict)

    def sources(self) -> tuple[Source, Source | None]:
        """Queries and gallery; one set alone is its own gallery (None)."""
        if self.dataset is not None:
            return Source(dataset=self.dataset, sampler=self.sampler, loader=self.loader), None
        first = self.Query or self.Gallery
        if first is None:
            raise ConfigError("DataLoader.Eval has neither Query nor Gallery nor a dataset")
        return first, self.Gallery if self.Query is not None else None


class MetaSource(Section):
    """``DataLoader.Metalearning``: batches that the gates of MetaBIN learn from."""

    Train: Source


class DataLoaderSection(Section):
    """``DataLoader``: pictures to train on and to evaluate with."""

    declined: ClassVar[Mapping[str, str]] = {"UnLabelTrain": MODES["fixmatch"]}

    Train: Source
    Metalearning: MetaSource | None = None
    Eval: Evaluation | None = None


class MetricSection(Section):
    """``Metric``: figures; the first of Eval chooses the best model."""

    meaningless: ClassVar[Mapping[str, str]] = {"Train": "losses are logged while training"}
    Eval: NamedList = ()

    @field_validator("Eval", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [{name: options} for name, options in value.items()] if isinstance(value, Mapping) else value or []


class AmpSection(Section):
    """``AMP``: mixed precision. ``use_amp`` is on where the section exists and does not say otherwise."""

    meaningless: ClassVar[Mapping[str, str]] = {
        "use_dynamic_loss_scaling": "the scale of fp16 is always dynamic",
        "use_fp16_test": "evaluation runs in fp32",
        "use_promote": "torch promotes",
    }

    use_amp: bool = True
    level: Literal["O1", "O2"] = "O1"
    dtype: Literal["float16", "bfloat16"] | None = Field(
        default=None, description="float16 on a GPU, bfloat16 elsewhere if left out."
    )
    scale_loss: float = Field(default=65536.0, gt=0)


class EmaSection(Section):
    """``EMA``: moving average of the weights, which is then evaluated and exported."""

    decay: float = Field(default=0.9999, ge=0, lt=1)


class Config(Section):
    """A whole configuration."""

    declined: ClassVar[Mapping[str, str]] = {"UnLabelLoss": MODES["fixmatch"]}
    meaningless: ClassVar[Mapping[str, str]] = {
        "Infer": "give pictures and batch size to the command infer",
        "Slim": "int8 variants are made by the command export",
        "IndexProcess": "galleries belong to the indexer: kenspeckle gallery import",
        "profiler_options": "use torch's profiler",
    }

    Global: GlobalSection
    Arch: ArchSection
    Loss: LossSection
    Optimizer: Named | NamedList
    DataLoader: DataLoaderSection
    Metric: MetricSection = MetricSection()
    AMP: AmpSection | None = None
    EMA: EmaSection | None = None

    @model_validator(mode="after")
    def _metabin_is_whole(self) -> "Config":
        parts = {f"Loss.{name}": getattr(self.Loss, name) for name in ("Basic", "MetaTrain", "MetaTest")}
        parts["DataLoader.Metalearning"] = self.DataLoader.Metalearning
        if self.Global.train_mode == "metabin":
            if missing := [name for name, part in parts.items() if part is None]:
                raise ValueError(f"Global.train_mode: metabin needs {', '.join(missing)}")
        elif given := [name for name, part in parts.items() if part is not None]:
            raise ValueError(f"{', '.join(given)} is for Global.train_mode: metabin")
        return self

    @model_validator(mode="after")
    def _class_numbers_agree(self) -> "Config":
        head = (self.Arch.Head or {}).get("class_num")
        given = self.Global.class_num
        if head is not None and given is not None and head != given:
            raise ValueError(
                f"Global.class_num is {given}, but Arch.Head.class_num is {head}: set both to the number of classes "
                f"of the training list (-o Arch.Head.class_num={given}, or -o Global.class_num={head})"
            )
        return self


def check_config(content: Mapping[str, Any], source: str = "configuration") -> tuple[Config, list[str]]:
    """Check plain values; returns the configuration and notes on keys that change nothing.

    Raises:
        ConfigError: naming every place at fault, with near names.
    """
    notes: list[str] = []
    try:
        return Config.model_validate(dict(content), context={"notes": notes}), list(dict.fromkeys(notes))
    except ValidationError as error:
        raise described(error, source) from error


def load_config(path: Path, overrides: Sequence[str] = ()) -> tuple[Config, list[str]]:
    """Read a YAML file and apply ``-o`` overrides; see ``check_config`` and ``apply_overrides``.

    Raises:
        ConfigError: if anything in it cannot be used.
    """
    content, notes = apply_overrides(read_yaml(path), overrides)
    config, more = check_config(content, str(path))
    return config, notes + more
