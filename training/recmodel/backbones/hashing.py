"""The plain networks of the deep-hashing recipes: AlexNet and VGG-19 with a sigmoid.

Sources: Krizhevsky, "One weird trick", 2014 (the one-column AlexNet); Simonyan and Zisserman, ICLR 2015, table 1, E.
"""

from collections import OrderedDict

from torch import nn

from training.recmodel.backbones.layers import named
from training.recmodel.backbones.registry import BACKBONES

HIDDEN = 4096
# (input channels, output channels, convolutions)
VGG19_BLOCKS = ((3, 64, 2), (64, 128, 2), (128, 256, 4), (256, 512, 4), (512, 512, 4))


@BACKBONES.register()
class AlexNet(nn.Sequential):
    """AlexNet as a chain; output ``(N, class_num)``, the real-valued codes before any squashing.

    Input: ``(N, 3, 224, 224)`` (up to 226; the first linear layer fixes the size).
    """

    def __init__(self, class_num: int = 1000) -> None:
        super().__init__(
            named(
                conv1=_pooled(nn.Conv2d(3, 64, 11, 4, 2)),
                conv2=_pooled(nn.Conv2d(64, 192, 5, 1, 2)),
                conv3=nn.Sequential(nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU()),
                conv4=nn.Sequential(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()),
                conv5=_pooled(nn.Conv2d(256, 256, 3, 1, 1)),
                flatten=nn.Flatten(),
                dropout1=nn.Dropout(0.5),
                fc1=nn.Linear(256 * 6 * 6, HIDDEN),
                relu1=nn.ReLU(),
                dropout2=nn.Dropout(0.5),
                fc2=nn.Linear(HIDDEN, HIDDEN),
                relu2=nn.ReLU(),
                fc=nn.Linear(HIDDEN, class_num),
            )
        )


def _pooled(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(3, 2))


@BACKBONES.register()
class VGG19Sigmoid(nn.Sequential):
    """VGG-19 without batch norm as a chain; output ``(N, class_num)`` in 0..1, round it for the bits.

    Input: ``(N, 3, 224, 224)``.
    """

    def __init__(self, class_num: int = 1000) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (inputs, outputs, depth) in enumerate(VGG19_BLOCKS, start=1):
            block: list[nn.Module] = []
            for index in range(depth):
                block += [nn.Conv2d(inputs if index == 0 else outputs, outputs, 3, 1, 1, bias=False), nn.ReLU()]
            layers[f"conv_block_{number}"] = nn.Sequential(*block, nn.MaxPool2d(2, 2))
        layers |= named(
            flatten=nn.Flatten(),
            fc1=nn.Linear(7 * 7 * 512, HIDDEN),
            relu1=nn.ReLU(),
            dropout1=nn.Dropout(0.5),
            fc2=nn.Linear(HIDDEN, HIDDEN),
            relu2=nn.ReLU(),
            dropout2=nn.Dropout(0.5),
            fc=nn.Linear(HIDDEN, class_num),
            sigmoid=nn.Sigmoid(),
        )
        super().__init__(layers)
