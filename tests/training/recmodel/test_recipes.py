from pathlib import Path

import torch

import training.recmodel
from training.config.schema import load_config
from training.losses import CombinedLoss
from training.recmodel.build import arch_section
from training.recmodel.model import build_recmodel
from training.recmodel.teacher import Teacher

CHECKOUT = Path(__file__).parents[3]
DISTILLED = Path(training.recmodel.__file__).parent / "recipes/distilled.yaml"


def test_the_student_of_the_distillation_recipe_learns_from_features_like_those_of_the_shipped_extractor() -> None:
    config, notes = load_config(DISTILLED)
    assert notes == []
    (teacher,), (student,) = (tuple(entry.values()) for entry in arch_section(config, 7)["models"])
    assert (CHECKOUT / teacher["path"]).is_file()
    model, frozen = (
        build_recmodel(student),
        Teacher(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 512))),
    )
    images, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 0, 1, 6])
    outputs = {"Student": model(images, labels), "Teacher": frozen(images)}
    assert outputs["Student"]["features"].shape == (4, 512)
    assert outputs["Student"]["logits"].shape == (4, 7)
    losses = CombinedLoss(config.Loss.Train)(outputs, labels)
    assert set(losses) == {"DistillationCosineLoss", "DistillationRelationalLoss", "DistillationGTCELoss"}
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
