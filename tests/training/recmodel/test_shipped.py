import numpy as np
import torch

from training.recmodel.backbones import efficientnet_lite0
from training.recmodel.shipped import ShippedExtractor, mixed, served_extractor, trunk_features


def test_mixed_weights_lie_between_start_and_tuned() -> None:
    start, tuned = {"w": torch.zeros(2), "n": torch.tensor(3)}, {"w": torch.ones(2), "n": torch.tensor(4)}
    half = mixed(start, tuned, 0.25)
    assert half["w"].tolist() == [0.25, 0.25]
    assert int(half["n"]) == 3


def test_training_never_changes_its_statistics() -> None:
    model = ShippedExtractor(dim=8).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(torch.randn(2, 3, 32, 32))["features"].sum().backward()
    assert not any(part.training for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_is_served_are_unit_embeddings_of_unit_features_of_scaled_pictures() -> None:
    torch.manual_seed(0)
    model = ShippedExtractor(dim=8)
    crops = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    trunk = efficientnet_lite0()
    trunk.load_state_dict(model.backbone.state_dict())
    with torch.inference_mode():
        features = trunk((crops.permute(0, 3, 1, 2).double().float() - 127) / 128)
        features = features / features.norm(dim=1, keepdim=True)
        expected = features @ model.neck.fc.weight.T + model.neck.fc.bias
        torch.testing.assert_close(served_extractor(model)(crops), expected / expected.norm(dim=1, keepdim=True))
    np.testing.assert_allclose(trunk_features(model.backbone, [crops.numpy()]), features, atol=1e-6)
