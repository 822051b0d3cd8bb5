"""The published PicoDets by name: networks and the schedules that they were trained with.

Sources: the PaddleDetection configurations of PicoDet (legacy, 2021; 2022) and of the PP-ShiTu main-body detector.
"""

from dataclasses import dataclass

from training.picodet.backbones.esnet import RATIOS_M, RATIOS_S
from training.picodet.model import ModelConfig
from training.registry import UnknownName

SIZES = {320: tuple(range(256, 385, 32)), 416: tuple(range(352, 481, 32)), 640: tuple(range(576, 705, 32))}
"""Sides of the multi-scale training of each input size."""


@dataclass(frozen=True)
class Preset:
    """A network and how it was trained: per GPU ``batch``, peak rate ``base_lr`` for ``gpus`` times that batch.

    The rate falls as a cosine over ``schedule_epochs``; the run ends after ``epochs``. The average of the weights
    begins anew every ``ema_cycle`` epochs (0: never).
    """

    model: ModelConfig
    input_size: int
    batch: int
    base_lr: float
    schedule_epochs: int
    epochs: int
    gpus: int = 4
    ema_cycle: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Input sides of multi-scale training."""
        return SIZES[self.input_size]


def _lcnet(scale: float, channels: int, depth: int) -> ModelConfig:
    return ModelConfig({"name": "LCNet", "scale": scale}, "LCPAN", "PicoHeadV2", channels, depth)


def _esnet(scale: float, ratios: tuple[float, ...], channels: int, depth: int) -> ModelConfig:
    backbone = {"name": "ESNet", "scale": scale, "channel_ratio": list(ratios)}
    return ModelConfig(backbone, "CSPPAN", "PicoHead", channels, depth)


def _legacy_lcnet(scale: float) -> ModelConfig:
    return ModelConfig({"name": "LCNet", "scale": scale}, "CSPPAN", "PicoHead", 128, 4)


XS, S, M, L = (_lcnet(*shape) for shape in ((0.35, 96, 2), (0.75, 96, 2), (1.5, 128, 4), (2.0, 160, 4)))
LEGACY_S = _esnet(0.75, RATIOS_S, 96, 2)
LEGACY_M = _esnet(1.0, RATIOS_M, 128, 4)
LEGACY_L = _esnet(1.25, RATIOS_M, 160, 4)
MAINBODY = _legacy_lcnet(2.5)
LITE0_S = ModelConfig()
LITE0_M = ModelConfig(channels=128, tower_depth=4)

PRESETS = {
    "picodet_xs_320": Preset(XS, 320, 64, 0.32, 300, 300),
    "picodet_xs_416": Preset(XS, 416, 56, 0.28, 300, 300),
    "picodet_s_320": Preset(S, 320, 64, 0.32, 300, 300),
    "picodet_s_416": Preset(S, 416, 48, 0.24, 300, 300),
    "picodet_m_320": Preset(M, 320, 48, 0.24, 300, 300),
    "picodet_m_416": Preset(M, 416, 48, 0.24, 300, 250),
    "picodet_l_320": Preset(L, 320, 24, 0.12, 300, 250),
    "picodet_l_416": Preset(L, 416, 24, 0.12, 300, 250),
    "picodet_l_640": Preset(L, 640, 12, 0.06, 300, 200),
    "picodet_legacy_s_320": Preset(LEGACY_S, 320, 128, 0.4, 300, 300, ema_cycle=40),
    "picodet_legacy_s_416": Preset(LEGACY_S, 416, 80, 0.4, 300, 300, ema_cycle=40),
    "picodet_legacy_m_320": Preset(LEGACY_M, 320, 128, 0.4, 300, 300, ema_cycle=40),
    "picodet_legacy_m_416": Preset(LEGACY_M, 416, 80, 0.4, 300, 300, ema_cycle=40),
    "picodet_legacy_l_320": Preset(LEGACY_L, 320, 56, 0.3, 300, 250, ema_cycle=40),
    "picodet_legacy_l_416": Preset(LEGACY_L, 416, 48, 0.3, 300, 250, ema_cycle=40),
    "picodet_legacy_l_640": Preset(LEGACY_L, 640, 32, 0.3, 300, 250, ema_cycle=40),
    "picodet_mainbody_640": Preset(MAINBODY, 640, 56, 0.4, 100, 100, ema_cycle=20),
    "picodet_lcnet_x1_0_640": Preset(_legacy_lcnet(1.0), 640, 56, 0.4, 100, 100, ema_cycle=20),
    "picodet_lite0_s_320": Preset(LITE0_S, 320, 64, 0.32, 300, 300),
    "picodet_lite0_m_416": Preset(LITE0_M, 416, 48, 0.24, 300, 300),
}


def preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        UnknownName: with the near names.
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, sorted(PRESETS))
    return PRESETS[name]
