from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.training.pictures import draw_folder
from training.data.build import build_dataset, build_loader
from training.registry import UnknownName

SECTION = """
dataset:
  name: VeriWild
  image_root: {root}
  cls_label_path: {root}/list.txt
  backend: cv2
  transform_ops:
    - ResizeImage:
        size: 16
    - NormalizeImage:
        scale: 0.00392157
        mean: [0.485, 0.456, 0.406]
        std: [0.229, 0.224, 0.225]
        order: ''
sampler:
  name: DistributedBatchSampler
  batch_size: 4
  drop_last: False
  shuffle: True
loader:
  num_workers: 0
  use_shared_memory: False
"""


@pytest.fixture
def section(tmp_path: Path) -> dict[str, dict[str, object]]:
    draw_folder(tmp_path / "f", 3, 2, seed=0)
    lines = [f"thing-{label}/{number}.png {label * 10}" for label in range(3) for number in range(2)]
    (tmp_path / "f/list.txt").write_text("\n".join(lines))
    loaded: dict[str, dict[str, object]] = yaml.safe_load(SECTION.format(root=tmp_path / "f"))
    return loaded


def test_a_section_of_an_old_configuration_gives_its_batches(section: dict[str, dict[str, object]]) -> None:
    loader = build_loader(build_dataset(section["dataset"]), section)
    batches = list(loader.epoch(0))
    assert [tuple(batch.images.shape) for batch in batches] == [(4, 3, 16, 16), (2, 3, 16, 16)]
    assert sorted(label for batch in batches for label in batch.labels.tolist()) == [0, 0, 10, 10, 20, 20]
    assert loader.dataset.pictures.class_num == 21


def test_a_sampler_without_a_name_is_the_plain_one(section: dict[str, dict[str, object]]) -> None:
    section["sampler"] = {"batch_size": 6}
    (batch,) = build_loader(build_dataset(section["dataset"]), section).epoch(0)
    assert batch.indices.tolist() == list(range(6))


def test_a_test_set_takes_the_classes_of_training(section: dict[str, dict[str, object]]) -> None:
    dataset = build_dataset(section["dataset"], classes={"0": 7, "10": 8, "20": 9, "30": 10})
    assert dataset.labels.tolist() == [7, 7, 8, 8, 9, 9]


def test_unknown_keys_name_the_near_ones(section: dict[str, dict[str, object]]) -> None:
    dataset = build_dataset(section["dataset"])
    section["loader"]["num_worker"] = 2
    with pytest.raises(UnknownName, match=r"parameter of loader 'num_worker'; did you mean num_workers"):
        build_loader(dataset, section)
    section["dataset"]["images"] = "x"
    with pytest.raises(UnknownName, match=r"parameter of data set VeriWild 'images'; did you mean image_root"):
        build_dataset(section["dataset"])


def test_batch_transforms_give_shares_of_the_classes_of_the_data(section: dict[str, dict[str, object]]) -> None:
    section["dataset"] |= {"relabel": True, "batch_transform_ops": [{"MixupOperator": {"alpha": 0.2}}]}
    loader = build_loader(build_dataset(section["dataset"]), section)
    first = [batch.labels for batch in loader.epoch(0)]
    assert [tuple(labels.shape) for labels in first] == [(4, 3), (2, 3)]
    (resumed,) = loader.epoch(0, skip=1)
    assert torch.equal(resumed.labels, first[1])


def test_a_cache_folder_is_filled(section: dict[str, dict[str, object]], tmp_path: Path) -> None:
    section["dataset"] |= {"cache": str(tmp_path / "cache"), "cache_short_side": 20}
    list(build_loader(build_dataset(section["dataset"]), section).epoch(0))
    kept = list((tmp_path / "cache").rglob("*.npy"))
    assert len(kept) == 6
    assert np.load(kept[0]).shape == (20, 20, 3)
