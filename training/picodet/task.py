"""PicoDet as a task of the training loop."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from training.engine.optimisation import Optimisation
from training.engine.optimisers import build_optimisations
from training.engine.parallel import rank, world_size
from training.engine.task import MODEL, Position
from training.picodet.batches import Batch, Drawing, EpochBatches, read_batches
from training.picodet.criterion import Outputs, aligned_losses, sim_ota_losses
from training.picodet.data import Picture
from training.picodet.evaluation.measure import run_measurements
from training.picodet.heads import PicoHeadV2
from training.picodet.model import PicoDet
from training.picodet.official import load_official, read_official
from training.picodet.recipe import Recipe
from training.picodet.weights import load_weights_file
from training.recmodel.backbones.layers import scale_learning_rate, without_decay


class DetectionTask:
    """Trains the network of a recipe; measured on ``validation`` by AP, best box and recall.

    Raises:
        ValueError: if the initial weights do not fit.
    """

    def __init__(self, recipe: Recipe, pictures: Sequence[Picture], validation: Sequence[Picture] = ()) -> None:
        train = recipe.train
        torch.manual_seed(train.loop.seed)
        self.recipe, self.validation = recipe, validation
        self.model = initial_model(recipe)
        self.model.backbone.freeze_early(train.frozen_blocks)
        scale_learning_rate(self.model.backbone, train.backbone_rate)
        without_decay(self.model)
        self._drawing = Drawing(
            pictures, recipe.weights, train.batch, train.batches_per_epoch, train.loop.seed, world_size()
        )

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {MODEL: self.model}

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of an epoch."""
        return self._drawing.batches

    def optimisations(self, steps_per_epoch: int) -> Sequence[Optimisation]:
        """The recipe's optimiser; its rate scaled to the total batch where the recipe says for which one it is."""
        train = self.recipe.train
        config = dict(train.optimizer)
        rate = dict(config["lr"]) if isinstance(config.get("lr"), Mapping) else {"learning_rate": config["lr"]}
        if train.reference_batch is not None:
            share = train.batch * world_size() * train.loop.accumulate / train.reference_batch
            rate |= {key: rate[key] * share for key in ("learning_rate", "warmup_start_lr") if key in rate}
        if train.warmup_steps:
            rate["warmup_epoch"] = train.warmup_steps / steps_per_epoch
        epochs = train.schedule_epochs or train.loop.epochs
        return build_optimisations(config | {"lr": rate}, self.modules, epochs, steps_per_epoch)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of this process in ``epoch``, from number ``first`` on."""
        recipe = self.recipe
        train = recipe.train
        drawn = EpochBatches(self._drawing, recipe.augment, train.sizes, epoch, rank(), train.resampling)
        return read_batches(drawn, first, train.workers)

    def samples(self, batch: Batch) -> int:
        """Pictures of a batch."""
        return len(batch.pixels)

    def losses(self, network: nn.Module, batch: Batch, at: Position) -> Mapping[str, Tensor]:
        """Losses ``vfl``, ``giou``, ``dfl``; the criterion computes in float32 whatever the network does."""
        device = self.model.mean.device
        pixels = batch.pixels.to(device).permute(0, 3, 1, 2).float()
        classes, distances = network(pixels)
        with torch.autocast(device.type, enabled=False):
            outputs = Outputs.of(self.model, classes.float(), distances.float(), pixels)
            truths = batch.truths(device)
            if isinstance(self.model.head, PicoHeadV2):
                return aligned_losses(outputs, truths, warm_up=at.epoch < self.recipe.train.static_epochs)
            return sim_ota_losses(outputs, truths)

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """AP first, so that it chooses the best checkpoint; nothing without validation pictures."""
        if not self.validation:
            return {}
        assert isinstance(network, PicoDet)
        return run_measurements(network, self.recipe.input_size, self.validation)


def initial_model(recipe: Recipe) -> PicoDet:
    """The network with the weights that training starts from.

    Raises:
        ValueError: if they do not fit the network, or ImageNet weights for its backbone do not exist.
    """
    init = recipe.train.init
    model = PicoDet(recipe.model, pretrained=init == "imagenet")
    if init in ("imagenet", "random"):
        return model
    path = Path(init)
    if path.suffix == ".safetensors":
        load_weights_file(model, path)
    else:
        load_official(model, read_official(path, model))
    return model
