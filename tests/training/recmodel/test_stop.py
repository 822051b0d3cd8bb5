import pytest
import torch
from torch import nn

from training.recmodel.backbones.layers import named
from training.recmodel.stop import stop_after, stop_layers
from training.registry import UnknownName


def chain() -> nn.Sequential:
    stages = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)), nn.Sequential(nn.Conv2d(5, 6, 1)))
    return nn.Sequential(
        named(
            stem=nn.Conv2d(3, 3, 1),
            stages=stages,
            avg_pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(6, 7),
        )
    )


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("stem", (2, 3, 8, 8)),
        ("stages[0][0]", (2, 4, 8, 8)),
        ("stages[0]", (2, 5, 8, 8)),
        ("stages[1]", (2, 6, 8, 8)),
        ("stages", (2, 6, 8, 8)),
        ("avg_pool", (2, 6, 1, 1)),
        ("adaptive_avg_pool2d_0", (2, 6, 1, 1)),
        ("flatten", (2, 6)),
        ("flatten_0", (2, 6)),
        ("linear_0", (2, 7)),
    ],
)
def test_the_output_is_that_of_the_layer_where_it_stops(path: str, shape: tuple[int, ...]) -> None:
    net, x = chain(), torch.randn(2, 3, 8, 8)
    stop_after(net, path)
    assert tuple(net(x).shape) == shape


def test_layers_before_the_stop_keep_their_weights_and_names() -> None:
    net = chain()
    before = net.state_dict()
    stop_after(net, "stages[0][1]")
    after = net.state_dict()
    assert list(after) == ["stem.weight", "stem.bias", *(f"stages.0.{i}.{p}" for i in "01" for p in ("weight", "bias"))]
    assert all(torch.equal(value, before[name]) for name, value in after.items())


@pytest.mark.parametrize("path", ["flaten", "stages[0][9]", "stages[2]", "blocks[15]", "adaptive_avg_pool2d_x", ""])
def test_an_unknown_layer_is_an_error_and_leaves_the_net_whole(path: str) -> None:
    net = chain()
    with pytest.raises(UnknownName, match="stop layer"):
        stop_after(net, path)
    assert list(stop_layers(net)) == list(stop_layers(chain()))


def test_the_error_lists_the_near_names() -> None:
    with pytest.raises(UnknownName, match="did you mean flatten"):
        stop_after(chain(), "flaten")
    with pytest.raises(UnknownName, match=r"stages\[0\]\[1\]"):
        stop_after(chain(), "stages[0][3]")


def test_stop_layers_come_in_the_order_of_computation() -> None:
    expected = "stem stages[0][0] stages[0][1] stages[0] stages[1][0] stages[1] stages avg_pool flatten fc"
    assert list(stop_layers(chain())) == expected.split()


def test_a_net_that_is_no_chain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Linear cannot be cut: take Arch\.BackboneStopLayer out"):
        stop_after(nn.Linear(2, 2), "flatten")
