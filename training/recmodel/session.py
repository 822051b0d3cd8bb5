"""A training run of a configuration, from the first to the last step."""

from pathlib import Path

from torch import nn

from training.config.reading import read_yaml
from training.config.schema import Config, check_config
from training.data.labels import read_classes, save_classes
from training.engine.checkpoint import BEST, LATEST, has_checkpoint, load_weights
from training.engine.loop import Progress, Report, Trainer
from training.engine.parallel import rank, start_processes, stop_processes
from training.engine.run import CONFIG, Run
from training.recmodel.build import arch_section, build_task, found_path, loop_settings, torch_device
from training.recmodel.model import build_recmodel

CLASSES = "classes.json"


def train_config(config: Config, report: Report = lambda kind, record: None) -> Progress:
    """Train what a configuration describes in its ``output_dir``; a run that was cut off goes on.

    Raises:
        ValueError: for what cannot be built or goes wrong; the message says what to do.
        OSError: for files that are not there.
    """
    start_processes(torch_device(config.Global.device))
    try:
        task, dataset = build_task(config)
        resume = found_path(config.Global.checkpoints) if config.Global.checkpoints is not None else None
        run = None
        if rank() == 0:
            run = Run(config.Global.output_dir, config.model_dump(mode="json"), replace=resume is not None)
            save_classes(dataset.pictures.classes, run.folder / CLASSES)
        return Trainer(task, loop_settings(config), run, resume, report).train()
    finally:
        stop_processes()


def run_checkpoint(run: Path) -> Path:
    """The best checkpoint of a run folder, else its last one; a checkpoint itself is taken as it is.

    Raises:
        FileNotFoundError: if there is none.
    """
    for folder in (run, run / BEST, run / LATEST):
        if has_checkpoint(folder):
            return folder
    raise FileNotFoundError(f"{run}: no checkpoint there: neither {BEST} nor {LATEST}")


def load_run(run: Path) -> tuple[nn.Module, Config]:
    """The trained network of a run folder, in evaluation mode, and the configuration that it was trained with.

    Args:
        run: a run folder (its best checkpoint is taken) or one of its checkpoints.

    Raises:
        FileNotFoundError: if there is no checkpoint or configuration.
        ValueError: if it is damaged.
    """
    checkpoint = run_checkpoint(run)
    folder = checkpoint.parent
    config, _ = check_config(read_yaml(folder / CONFIG), str(folder / CONFIG))
    classes = read_classes(folder / CLASSES)
    model = build_recmodel(arch_section(config, max(classes.values()) + 1, pretrained=False))
    model.load_state_dict(load_weights(checkpoint))
    return model.eval(), config
