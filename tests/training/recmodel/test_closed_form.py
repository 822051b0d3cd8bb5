import numpy as np

from training.recmodel.closed_form import closed_form_neck


def toy(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(6), 20)
    spread = np.array([3.0, 0.2, 1.0, 0.1, 0.5])
    return rng.normal(0, 2, (6, 5))[labels] + rng.normal(0, 1, (120, 5)) * spread, labels


def test_with_all_dimensions_it_is_mahalanobis_geometry_of_the_shrunk_within_class_covariance() -> None:
    x, labels = toy()
    weight, bias = closed_form_neck(x, labels, 5, 0.3)
    within = sum(np.cov(x[labels == c].T, bias=True) * 20 for c in range(6)) / 120
    shrunk = 0.7 * within + 0.3 * np.trace(within) / 5 * np.eye(5)
    centred = x - x.mean(axis=0)
    expected = centred @ np.linalg.inv(shrunk) @ centred.T
    out = x @ weight.T + bias
    scale = np.trace(expected) / 120
    np.testing.assert_allclose(out @ out.T, expected / scale, atol=1e-9)


def test_fewer_dimensions_keep_the_directions_of_largest_variance() -> None:
    x, labels = toy()
    full_weight, full_bias = closed_form_neck(x, labels, 5, 0.5)
    weight, bias = closed_form_neck(x, labels, 2, 0.5)
    full, out = x @ full_weight.T + full_bias, x @ weight.T + bias
    variances = full.var(axis=0)
    assert (np.diff(variances) < 0).all()
    ratio = out[:, :2] / full[:, :2]
    np.testing.assert_allclose(ratio, ratio[0, 0] * np.sign(ratio / ratio[0, 0]), rtol=1e-6)


def test_mean_of_the_fit_goes_to_the_origin_and_mean_square_length_is_one() -> None:
    x, labels = toy()
    weight, bias = closed_form_neck(x, labels, 3, 0.5)
    out = x @ weight.T + bias
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-9)
    assert np.isclose(np.square(out).sum(axis=1).mean(), 1)
