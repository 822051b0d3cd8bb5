"""``python -m training`` with one more backbone.

It has no batch norm, whose statistics are those of a process's own pictures: so several processes train what one does.
"""

import os
import sys
from collections import OrderedDict

from torch import nn

from training.cli import app
from training.recmodel.backbones import BACKBONES


def unnormed(class_num: int = 0) -> nn.Module:
    """Two convolutions, pooled: 16 features."""
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(3, 8, 3, 2),
            act=nn.Tanh(),
            wide=nn.Conv2d(8, 16, 3, 2),
            avg_pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
        )
    )


def command(number: int, count: int, port: int, arguments: list[str]) -> None:
    """Run the command line as process ``number`` of ``count``, as ``torchrun`` would start it."""
    if count > 1:
        os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE=str(count))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    BACKBONES.register("Unnormed")(unnormed)
    app(arguments, standalone_mode=False)


if __name__ == "__main__":
    BACKBONES.register("Unnormed")(unnormed)
    app(sys.argv[1:])
