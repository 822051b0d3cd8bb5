import dataclasses
import json
import logging

import pytest
import torch

from training.picodet.cli import RECIPE as SHIPPED
from training.picodet.data import DataError
from training.picodet.model import PicoDet
from training.picodet.old_yaml import open_recipe, read_old_recipe
from training.picodet.presets import MAINBODY

NORMALISED = dataclasses.replace(MAINBODY, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
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
    recipe = read_old_recipe(written(tmp_path), tmp_path)
    assert recipe.model == NORMALISED
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
    assert (loop.log_steps, loop.evaluate_every) == (20, 2)
    assert (recipe.augment.crop, recipe.augment.flip, recipe.augment.mosaic) == (1.0, 0.5, 0.0)
    assert recipe.coco[0].annotations == "dataset/mainbody/annotations/train.json"
    assert recipe.validation[0].images == "dataset/mainbody/val"


def changed(tmp_path, old, new):
    assert old in NETWORK
    return read_old_recipe(written(tmp_path, NETWORK.replace(old, new, 1)), tmp_path)


def read_with(tmp_path, resize="", normalise=""):
    """The recipe of a file whose reader has these batch operations."""
    operations = ", ".join(part for part in (resize, normalise, "{Permute: {}}") if part)
    return changed(tmp_path, "TrainReader: {batch_size: 56}", f"TrainReader: {{batch_transforms: [{operations}]}}")


@pytest.mark.parametrize(
    ("options", "resampling"),
    [
        ("random_interp: True", ("nearest", "bilinear", "box", "bicubic", "lanczos")),
        ("random_interp: False, interp: 2", ("bicubic",)),
        ("interp: 3", ("box",)),
        ("keep_ratio: False", ("nearest",)),
    ],
)
def test_the_interpolation_is_that_of_the_file(tmp_path, options, resampling):
    recipe = read_with(tmp_path, f"{{BatchRandomResize: {{target_size: [320], {options}}}}}")
    assert recipe.train.resampling == resampling


@pytest.mark.parametrize(
    ("operation", "mean", "std"),
    [
        ("{NormalizeImage: {is_scale: true, mean: [0, 0, 0.5], std: [1, 1, 0.5]}}", [0, 0, 127.5], [255, 255, 127.5]),
        ("{NormalizeImage: {is_scale: false, mean: [1, 2, 3], std: [4, 5, 6]}}", [1, 2, 3], [4, 5, 6]),
        ("", [0, 0, 0], [1, 1, 1]),
    ],
)
def test_the_network_normalises_as_the_file_says(tmp_path, operation, mean, std):
    # The base's EvalReader says no NormalizeImage, so nothing contradicts.
    recipe = read_with(tmp_path, normalise=operation)
    with torch.device("meta"):
        PicoDet(recipe.model)
    model = PicoDet(dataclasses.replace(recipe.model, backbone={"name": "LCNet", "scale": 0.25}, channels=16))
    assert model.mean.flatten().tolist() == mean
    assert model.std.flatten().tolist() == std


def test_a_data_set_may_be_cut_short_and_leaves_empty_pictures_out(tmp_path):
    recipe = changed(tmp_path, "    data_fields: [", "    sample_num: 12\n    data_fields: [")
    assert (recipe.coco[0].sample_num, recipe.coco[0].allow_empty) == (12, False)
    assert recipe.validation[0].sample_num is None


def test_gradients_are_clipped_and_warmed_up_as_the_old_program_does_where_the_file_is_silent(tmp_path):
    recipe = changed(tmp_path, "OptimizerBuilder:\n", "OptimizerBuilder:\n  clip_grad_by_norm: 35\n")
    assert recipe.train.optimizer["clip_norm_global"] == 35
    silent = changed(tmp_path, "- !LinearWarmup {start_factor: 0.1, steps: 300}", "- !LinearWarmup {}")
    assert silent.train.warmup_steps == 500
    assert silent.train.optimizer["lr"]["warmup_start_lr"] == pytest.approx(0.4 / 3)


def test_an_activation_of_all_parts_is_taken_over(tmp_path):
    network = NETWORK.replace("LCNet: {scale: 2.5,", "LCNet: {scale: 2.5, act: relu,")
    network = network.replace("CSPPAN: {", "CSPPAN: {act: relu, ").replace("num_convs: 4,", "num_convs: 4, act: relu,")
    assert read_old_recipe(written(tmp_path, network), tmp_path).model.activation == "relu"


def test_start_weights_that_are_there_are_taken_and_others_named(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert read_old_recipe(written(tmp_path), tmp_path).train.init == "random"
    assert "PPLCNet_x2_5_ssld_pretrained.pdparams is no file" in caplog.text
    (tmp_path / "lcnet.pdparams").touch()
    found = changed(tmp_path, "https://example.com/PPLCNet_x2_5_ssld_pretrained.pdparams", "lcnet.pdparams")
    assert found.train.init == str(tmp_path / "lcnet.pdparams")


def test_classes_are_named_by_the_training_file_in_the_order_of_their_ids(tmp_path):
    folder = tmp_path / "dataset/mainbody/annotations"
    folder.mkdir(parents=True)
    categories = [{"id": 7, "name": "tin"}, {"id": 2, "name": "cup"}]
    (folder / "train.json").write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    recipe = changed(tmp_path, "num_classes: 1", "num_classes: 2")
    assert (recipe.classes, recipe.categories) == (("cup", "tin"), {"cup": "cup", "tin": "tin"})
    assert recipe.validation
    with pytest.raises(DataError, match=r"num_classes is 3, but .*train\.json has 2 categories"):
        changed(tmp_path, "num_classes: 1", "num_classes: 3")


def test_old_and_new_files_are_told_apart(tmp_path):
    assert open_recipe(written(tmp_path), tmp_path).model == NORMALISED
    assert open_recipe(SHIPPED, tmp_path).name == "main-object"
    with pytest.raises(DataError, match=r"none\.yaml"):
        open_recipe(tmp_path / "none.yaml", tmp_path)


def test_esnet_gets_the_ratios_of_its_scale(tmp_path):
    network = (
        NETWORK.replace("backbone: LCNet", "backbone: ESNet") + "ESNet: {scale: 0.75, feature_maps: [4, 11, 14]}\n"
    )
    backbone = read_old_recipe(written(tmp_path, network), tmp_path).model.backbone
    assert backbone["channel_ratio"][:2] == [0.875, 0.5]
    assert len(backbone["channel_ratio"]) == 13


def test_keys_without_an_effect_are_named_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read_old_recipe(written(tmp_path), tmp_path)
    assert "of no effect here: save_dir, weights" in caplog.text
    assert "measured and served with halved-bilinear" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("reg_max: 7\n", "reg_max: 7\n  prior_prob: 0.1\n", "PicoHead.prior_prob is 0.1; here it is always 0.01"),
        (
            "reg_max: 7\n",
            "reg_max: 7\n  nms: {name: MultiClassNMS, keep_top_k: 300}\n",
            "PicoHead.nms.keep_top_k is 300; here it is always 100",
        ),
        ("reg_max: 7\n", "reg_max: 7\n  loss_bbox: DIoULoss\n", "PicoHead.loss_bbox.name is DIoULoss"),
        ("reg_max: 7\n", "reg_max: 7\n  dgqp_module: x\n", "PicoHead.dgqp_module: not known"),
        ("use_depthwise: True", "use_depthwise: False", "CSPPAN.use_depthwise is False"),
        ("num_features: 4", "num_features: 3", "CSPPAN.num_features is 3, PicoHead.fpn_stride"),
        ("num_convs: 4", "num_convs: 4, act: leaky_relu", "PicoHead.conv_feat.act leaky_relu: here backbone, neck"),
        ("!COCODataSet\n", "!VOCDataSet\n", "TrainDataset.name is VOCDataSet"),
        ("data_fields: [", "load_crowd: true\n    data_fields: [", "TrainDataset.load_crowd is True"),
        ("- !LinearWarmup {start_factor: 0.1, steps: 300}", "- !LinearWarmup {epochs: 3}", "LinearWarmup.epochs"),
        ("_BASE_: [runtime.yml", "_BASE_: [mainbody.yml", "builds on itself"),
        ("TrainReader: {batch_size: 56}", "TrainReader: {shuffle: false}", "TrainReader.shuffle is False"),
        (
            "TrainReader: {batch_size: 56}",
            "TrainReader: {sample_transforms: [{RandomCrop: {num_attempts: 5}}]}",
            "RandomCrop.num_attempts is 5",
        ),
        (
            "TrainReader: {batch_size: 56}",
            "EvalReader: {sample_transforms: [{Resize: {keep_ratio: True}}]}",
            "Resize.keep_ratio",
        ),
        (
            "TrainReader: {batch_size: 56}",
            "EvalReader: {sample_transforms: [{NormalizeImage: {mean: [0, 0, 0]}}]}",
            "EvalReader.*NormalizeImage is not that of TrainReader",
        ),
        ("backbone: LCNet", "backbone: ResNet", "ResNet is not read; known are LCNet"),
        ("architecture: PicoDet", "architecture: PPYOLOE", "PPYOLOE: only PicoDet"),
        ("head: PicoHead", "head: PicoHead, teacher: x", "PicoDet.teacher"),
        ("- !CosineDecay {max_epochs: 100}", "- !PiecewiseDecay {gamma: 0.1}", "PiecewiseDecay is not read"),
        ("num_classes: 1", "num_classes: 80", "names of the 80 classes cannot be read"),
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
        read_old_recipe(written(tmp_path, NETWORK.replace(old, new, 1)), tmp_path)
