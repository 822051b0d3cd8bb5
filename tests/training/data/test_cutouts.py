from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.data.augment import Augmentation, disturbed, part_of
from training.data.cutouts import SIDE, cut_out, cut_out_view, cut_outs, region_of
from training.data.pictures import Picture

BOX = (30.0, 40.0, 90.0, 100.0)
RED = (200, 30, 30)


@pytest.fixture
def ball(tmp_path: Path) -> Picture:
    """A red ball on a green, noisy ground."""
    ground = np.random.default_rng(0).integers(0, 60, (140, 130, 3), dtype=np.uint8) + np.uint8((20, 120, 20))
    image = Image.fromarray(ground)
    ImageDraw.Draw(image).ellipse(BOX, fill=RED)
    image.save(tmp_path / "ball.png")
    return Picture(tmp_path / "ball.png", "ball", BOX)


def test_the_mask_is_the_thing_and_not_its_ground(ball: Picture) -> None:
    x0, y0, x1, y1 = region_of(ball, 130, 140)
    xs = x0 + (np.arange(SIDE) + 0.5) * (x1 - x0) / SIDE
    ys = y0 + (np.arange(SIDE) + 0.5) * (y1 - y0) / SIDE
    truth = np.hypot(*np.meshgrid((xs - 60) / 30, (ys - 70) / 30)) <= 1
    mask = cut_out(ball)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_a_thing_that_fills_its_picture_is_not_cut_out(ball: Picture) -> None:
    assert not cut_out(Picture(ball.path, "ball", None)).any()


def test_a_view_for_fitting_shows_the_thing_whole_on_white(ball: Picture) -> None:
    view = np.asarray(cut_out_view(ball, cut_out(ball), None, 64, np.random.default_rng(0)))
    assert view.shape == (64, 64, 3)
    assert (view[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert np.abs(view[32, 32].astype(int) - RED).max() < 10
    red = np.flatnonzero(np.abs(view[32].astype(int) - RED).max(axis=1) < 60)
    assert 0.8 * 64 <= red[-1] - red[0] < 64


def test_a_thing_that_could_not_be_cut_out_is_shown_as_a_round_piece_of_its_box(ball: Picture) -> None:
    view = np.asarray(cut_out_view(ball, np.zeros((SIDE, SIDE), bool), None, 64, np.random.default_rng(0)))
    assert (view[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert (view[32, 20:44] != 255).any(axis=1).all()


def test_views_differ_by_seed_alone_and_show_grounds(ball: Picture) -> None:
    blue, mask = Image.new("RGB", (50, 40), (0, 0, 255)), cut_out(ball)
    views = [np.asarray(cut_out_view(ball, mask, blue, 32, np.random.default_rng(s))) for s in (1, 1, *range(2, 30))]
    assert np.array_equal(views[0], views[1])
    corners = {tuple(view[0, 0].tolist()) for view in views}
    assert {(255, 255, 255), (0, 0, 255)} <= corners
    assert len(corners) > 2


def test_masks_are_made_once_and_kept(ball: Picture, tmp_path: Path) -> None:
    cache = tmp_path / "masks.npy"
    first = cut_outs([ball], cache)
    assert np.array_equal(first[0], cut_out(ball))
    ball.path.unlink()
    assert np.array_equal(cut_outs([ball], cache), first)
    with pytest.raises(ValueError, match="1 masks for 2"):
        cut_outs([ball, ball], cache)


def test_a_part_lies_inside_and_is_not_too_small() -> None:
    rng = np.random.default_rng(0)
    parts = np.array([part_of((10, 20, 110, 70), 0.5, rng) for _ in range(200)])
    assert (parts[:, :2] >= (10, 20)).all()
    assert (parts[:, 2:] <= (110, 70)).all()
    sides = (parts[:, 2:] - parts[:, :2]) / (100, 50)
    assert 0.45 <= sides.min() < 0.5
    assert sides.max() > 0.9


def test_without_any_range_nothing_is_disturbed() -> None:
    still = Augmentation(brightness=0, contrast=0, saturation=0, colour_cast=0, blur_share=0, erase_share=0,
                         mirror_share=0)  # fmt: skip
    view = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    done = disturbed(Image.fromarray(view), np.random.default_rng(1), still)
    assert np.abs(done.astype(int) - view).max() <= 1
