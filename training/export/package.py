"""The runs of the small shipped network as bundles."""

from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import load_file

from kenspeckle.bundle import Bundle
from training.data.crops import SERVING_SIZE
from training.data.pictures import Picture, shared_data
from training.engine.checkpoint import LATEST, load_weights, steps_done
from training.engine.run import CONFIG
from training.evaluation.embed import bundle_embedder, graph_embedder
from training.evaluation.retrieval import FIGURES, figures_of_queries, measurement
from training.export.extractor import Peer, Trained, make_extractor, with_evaluation
from training.export.onnx_graph import export_onnx
from training.export.sources import CalibrationSet, Sources, calibrated_on_peers, shared_sources, unseen_set
from training.export.variants import Precision
from training.recmodel.recipe import Recipe, read_recipe
from training.recmodel.shipped import ShippedExtractor, mixed, served_extractor
from training.recmodel.start import START, fit_neck


def recipe_of(run: Path) -> Recipe:
    """The recipe of a run of ``tune`` or ``closed-form``."""
    return read_recipe(run / CONFIG)


def load_run(run: Path, mix: float) -> ShippedExtractor:
    """The network of a run: ``mix`` x tuned + (1 - mix) x start, the tuned weights being those averaged over steps.

    Raises:
        FileNotFoundError: if the run has no tuned weights yet and ``mix`` is not 0.
        ValueError: if it is not at its end.
    """
    start, recipe = load_file(run / START), recipe_of(run)
    model = ShippedExtractor(recipe.dim)
    if mix:
        done = steps_done(run / LATEST)
        if done < recipe.steps:
            raise ValueError(f"{run} has done {done} of {recipe.steps} steps: the command tune goes on with it")
        start = mixed(start, load_weights(run / LATEST), mix)
    model.load_state_dict(start)
    return model


def finished(run: Path, recipe: Recipe, labelled: Sequence[Picture]) -> ShippedExtractor:
    """The network of a run as it is exported: averaged with its start by ``recipe.mix``, its neck fitted anew if asked.

    Args:
        recipe: of the run, maybe with another mix.
        labelled: pictures that the run was trained on.
    """
    model = load_run(run, recipe.mix)
    if recipe.refit and recipe.mix:
        fit_neck(model, labelled, recipe.shrinkage)
    return model


def peer_of(run: Path, data: Path) -> Peer:
    """A run of the same recipe with another fold held out, and the pictures that tell what it says of unseen things.

    Args:
        data: the shared data folder.
    """
    recipe = recipe_of(run)
    network = finished(run, recipe, shared_sources(data, recipe.unseen_fold).labelled)
    return graph_embedder(export_onnx(served_extractor(network), SERVING_SIZE)), unseen_set(data, recipe.unseen_fold)


def make_bundle(
    run: Path,
    sources: Sources,
    out: Path,
    name: str,
    version: str,
    command: str,
    mix: float | None = None,
    variants: Sequence[Precision] = (),
    peers: Sequence[Path] = (),
) -> Bundle:
    """Export a run as a bundle in ``out`` and verify it.

    Args:
        command: that makes it.
        mix: share of the tuned weights; the recipe's if None.
        variants: smaller forms to make and to measure.
        peers: runs of the same recipe on the shared data, each with another fold held out: the calibrator is fitted on
            what they say of the classes that they never saw.
    """
    recipe = recipe_of(run)
    recipe = recipe if mix is None else recipe.model_copy(update={"mix": mix})
    trained = Trained(
        network=served_extractor(finished(run, recipe, sources.labelled)),
        name=name,
        version=version,
        width=SERVING_SIZE,
        height=SERVING_SIZE,
        dim=recipe.dim,
        summary=summary(recipe),
        recipe=recipe.model_dump(),
        seeds=[recipe.seed],
    )
    return make_extractor(
        trained,
        calibrated_on_peers(sources) if peers else sources,
        out,
        command,
        variants,
        [peer_of(one, shared_data()) for one in peers],
    )


def measured(bundle: Bundle, used: CalibrationSet, command: str) -> Bundle:
    """The bundle with its figures on things that trained nothing: ``used`` queries among ``used`` references."""
    embed = bundle_embedder(bundle)
    queries = embed(used.queries)
    figures = figures_of_queries(queries, embed(used.references))
    data = f"{len(queries)} pictures of {len(set(queries.labels.tolist()))} classes that trained nothing"
    measurements = [
        measurement(f"this bundle: {figure}", data, figures[:, column], queries.photos, command)
        for column, figure in enumerate(FIGURES)
    ]
    return with_evaluation(bundle, measurements)


def summary(recipe: Recipe) -> str:
    """How the weights came about, in a few sentences."""
    start = "EfficientNet-Lite0 with ImageNet weights and a linear neck fitted in closed form (shrunk within-class"
    start = f"{start} whitening s = {recipe.shrinkage:g}, then PCA to {recipe.dim})."
    if recipe.mix == 0:
        return f"{start} Not tuned."
    views = " on random views, many of them of things cut out of their photos" * (recipe.augmentation.cut_out_share > 0)
    copies = ", two views of unrelated pictures held together" * recipe.copies
    frozen = f", the first {recipe.frozen_blocks} blocks left as they were" * (recipe.frozen_blocks > 0)
    text = (
        f"{start} Then {recipe.steps} steps of tuning at {recipe.size} px{views} (cosine softmax with angular margin,"
        f" supervised contrastive loss{copies}, trunk features of unrelated pictures held to the start's{frozen}),"
        " weights averaged over steps"
    )
    if recipe.mix < 1:
        text = f"{text}; shipped are {recipe.mix:g} x these + {1 - recipe.mix:g} x the start"
    return f"{text}; then the neck fitted anew in closed form." if recipe.refit else f"{text}."
