"""EfficientNet-Lite0 as a detector's backbone."""

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.picodet.backbones.base import BACKBONES, Backbone
from training.recmodel.backbones.efficientnet_lite import efficientnet_lite0


@BACKBONES.register("EfficientNetLite0")
class Lite0(Backbone):
    """EfficientNet-Lite0 with its ImageNet batch norms folded into the convolutions.

    Small batches would spoil the statistics, so they stay ImageNet's; once fixed, a batch norm is a part
    of its convolution, which makes training cheaper. Its shift, now the bias, is not trained.
    """

    channels = (40, 112, 320)
    mean = (127.0, 127.0, 127.0)
    std = (128.0, 128.0, 128.0)

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__()
        net = efficientnet_lite0(pretrained).eval()
        del net.head
        fold_norms(net)
        self.net = net

    def blocks(self) -> list[nn.Module]:
        return [self.net.stem, *self.net.blocks]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.stages(x)


def fold_norms(module: nn.Module) -> None:
    """Replace every convolution followed by a batch norm below ``module`` by the one convolution they amount to."""
    for child in module.modules():
        if isinstance(child, nn.Sequential) and len(child) > 1 and isinstance(child[1], nn.BatchNorm2d):
            folded = fuse_conv_bn_eval(child[0], child[1])  # type: ignore[type-var]
            folded.bias.requires_grad_(False)
            child[0] = folded
            child[1] = nn.Identity()
