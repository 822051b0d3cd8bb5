import logging

import pytest

from training.picodet.cli import RECIPE as SHIPPED
from training.picodet.data import DataError
from training.picodet.old_yaml import open_recipe, read_old_recipe
from training.picodet.presets import MAINBODY

RUNTIME = "use_gpu: false\nlog_iter: 20\nsave_dir: output\nsnapshot_epoch: 1\n"
READER = """
worker_num: 6
TrainReader:
  sample_transforms:
  - Decode: {}
  - RandomCrop: {}
  - RandomFlip: {prob: 0.5}
  - RandomDistort: {}
  batch_transforms:
  - BatchRandomResize: {target_size: [576, 608, 640, 672, 704], random_size: True, keep_ratio: False}
  - NormalizeImage: {is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
  - Permute: {}
  batch_size: 32
  shuffle: true
  drop_last: true
EvalReader:
  sample_transforms:
  - Decode: {}
  - Resize: {interp: 2, target_size: [640, 640], keep_ratio: False}
"""
NETWORK = """
_BASE_: [runtime.yml, reader.yml]
architecture: PicoDet
weights: output/model_final
pretrain_weights: https://example.com/PPLCNet_x2_5_ssld_pretrained.pdparams
use_ema: True
cycle_epoch: 20
snapshot_epoch: 2
epoch: 100
num_classes: 1
PicoDet: {backbone: LCNet, neck: CSPPAN, head: PicoHead}
LCNet: {scale: 2.5, feature_maps: [3, 4, 5]}
CSPPAN: {out_channels: 128, use_depthwise: True, num_csp_blocks: 1, num_features: 4}
PicoHead:
  conv_feat: {name: PicoFeat, feat_in: 128, feat_out: 128, num_convs: 4, share_cls_reg: True}
  fpn_stride: [8, 16, 32, 64]
  reg_max: 7
TrainReader: {batch_size: 56}
LearningRate:
  base_lr: 0.4
  schedulers:
  - !CosineDecay {max_epochs: 100}
  - !LinearWarmup {start_factor: 0.1, steps: 300}
OptimizerBuilder:
  optimizer: {momentum: 0.9, type: Momentum}
  regularizer: {factor: 0.00004, type: L2}
TrainDataset:
  !COCODataSet
    image_dir: train
    anno_path: annotations/train.json
    dataset_dir: dataset/mainbody
    data_fields: ['image', 'gt_bbox', 'gt_class', 'is_crowd']
EvalDataset:
  !COCODataSet {image_dir: val, anno_path: annotations/val.json, dataset_dir: dataset/mainbody}
"""


def written(folder, network=NETWORK):
    for name, text in {"runtime.yml": RUNTIME, "reader.yml": READER, "mainbody.yml": network}.items():
        (folder / name).write_text(text)
    return folder / "mainbody.yml"


def test_the_main_body_configuration_becomes_the_preset_with_its_schedule(tmp_path):
    recipe = read_old_recipe(written(tmp_path))
    assert recipe.model == MAINBODY
    assert (recipe.name, recipe.input_size) == ("mainbody", 640)
    assert recipe.train.sizes == (576, 608, 640, 672, 704)
    assert (recipe.train.batch, recipe.train.workers, recipe.train.warmup_steps) == (56, 6, 300)
    assert recipe.train.optimizer == {
        "name": "Momentum",
        "momentum": 0.9,
        "regularizer": {"name": "L2", "coeff": 4e-5},
        "lr": {"name": "Cosine", "learning_rate": 0.4, "warmup_start_lr": pytest.approx(0.04)},
    }
    loop = recipe.train.loop
    assert (loop.epochs, loop.ema_decay, loop.ema_cycle, loop.device) == (100, 0.9998, 20, "cpu")
    assert (recipe.augment.crop, recipe.augment.flip, recipe.augment.mosaic) == (1.0, 0.5, 0.0)
    assert recipe.coco[0].annotations == "dataset/mainbody/annotations/train.json"
    assert recipe.validation[0].images == "dataset/mainbody/val"


def test_old_and_new_files_are_told_apart(tmp_path):
    assert open_recipe(written(tmp_path)).model == MAINBODY
    assert open_recipe(SHIPPED).name == "main-object"
    with pytest.raises(DataError, match=r"none\.yaml"):
        open_recipe(tmp_path / "none.yaml")


def test_esnet_gets_the_ratios_of_its_scale(tmp_path):
    network = (
        NETWORK.replace("backbone: LCNet", "backbone: ESNet") + "ESNet: {scale: 0.75, feature_maps: [4, 11, 14]}\n"
    )
    backbone = read_old_recipe(written(tmp_path, network)).model.backbone
    assert backbone["channel_ratio"][:2] == [0.875, 0.5]
    assert len(backbone["channel_ratio"]) == 13


def test_keys_without_an_effect_are_named_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read_old_recipe(written(tmp_path))
    assert "log_iter" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("backbone: LCNet", "backbone: ResNet", "ResNet is not read"),
        ("architecture: PicoDet", "architecture: PPYOLOE", "PPYOLOE: only PicoDet"),
        ("head: PicoHead", "head: PicoHead, teacher: x", "PicoDet.teacher"),
        ("- !CosineDecay {max_epochs: 100}", "- !PiecewiseDecay {gamma: 0.1}", "PiecewiseDecay is not read"),
        ("num_classes: 1", "num_classes: 80", "num_classes is 80.*classes and categories"),
        ("epoch: 100\n", "", "epoch is missing"),
        ("feat_out: 128", "feat_out: 96", "feat_out is 96, CSPPAN.out_channels 128"),
        ("TrainReader: {batch_size: 56}", "TrainReader: {sample_transforms: [{Mosaic: {}}]}", "Mosaic is not done"),
        ("_BASE_: [runtime.yml", "_BASE_: [none.yml", "none.yml: cannot be read"),
        ("weights: output", "weights: !!python/object/apply:os.getcwd []\nx: output", "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_key(tmp_path, old, new, reason):
    assert old in NETWORK
    with pytest.raises(DataError, match=reason):
        read_old_recipe(written(tmp_path, NETWORK.replace(old, new, 1)))
