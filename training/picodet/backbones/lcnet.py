"""PP-LCNet as a detector's backbone."""

from torch import Tensor, nn

from training.picodet.backbones.base import BACKBONES, Backbone
from training.recmodel.backbones import PPLCNet


@BACKBONES.register()
class LCNet(Backbone):
    """PP-LCNet of any ``scale`` (Cui et al., 2021) without its classifier; randomly initialised."""

    def __init__(self, scale: float = 1.0, act: str = "hard_swish") -> None:
        super().__init__()
        self.net = PPLCNet(scale, class_num=0, use_last_conv=False, act=act)
        c3, c4, c5 = self.net.channels
        self.channels = (c3, c4, c5)

    def blocks(self) -> list[nn.Module]:
        stages = [stage for name, stage in self.net.named_children() if name.startswith("blocks")]
        return [self.net.get_submodule("conv1"), *(block for stage in stages for block in stage.children())]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.stages(x)
