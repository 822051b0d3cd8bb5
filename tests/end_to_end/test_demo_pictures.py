"""The demo's pictures: the same for a seed, with true boxes, of things that differ."""

import io

import numpy as np
from PIL import Image

from examples.demo.pictures import ENROLLED, PHOTOS, STRANGERS
from examples.rendering.drawings import DRAWINGS
from examples.rendering.labels import LAYOUTS, Design, front
from examples.rendering.scenes import SCENE_SIZE, reference, scene
from examples.rendering.things import things
from examples.rendering.words import PALETTES, PRODUCTS


def test_the_same_seed_gives_the_same_picture_and_another_seed_another() -> None:
    thing = things(11, 4)[3]
    assert reference(thing, 1).data == reference(thing, 1).data
    assert reference(thing, 1).data != reference(thing, 2).data


def test_a_scene_shows_each_of_its_things_in_a_box_within_the_picture() -> None:
    shown = things(12, 4)
    photo = scene(shown, 5)
    assert photo.image.size == SCENE_SIZE
    assert Image.open(io.BytesIO(photo.data)).format == "JPEG"
    assert [entry.thing for entry in photo.shown] == shown
    for entry in photo.shown:
        x0, y0, x1, y1 = entry.box
        assert 0 <= x0 < x1 <= SCENE_SIZE[0]
        assert 0 <= y0 < y1 <= SCENE_SIZE[1]
        assert (x1 - x0) * (y1 - y0) > 0.01 * SCENE_SIZE[0] * SCENE_SIZE[1]


def test_a_reference_shows_its_thing_inside_its_box() -> None:
    photo = reference(things(13, 4)[2], 3)
    x0, y0, x1, y1 = (round(side) for side in photo.shown[0].box)
    pixels = np.asarray(photo.image, np.float32)
    inside = pixels[y0:y1, x0:x1].reshape(-1, 3).std(axis=0).mean()
    left = pixels[:, : x0 - 4].reshape(-1, 3).std(axis=0).mean()
    assert inside > 2 * left


def test_the_first_two_things_are_siblings_and_the_others_are_not() -> None:
    first, second, *others = things(14, 12)
    assert first.line == second.line
    assert first.design.flavour != second.design.flavour
    lines = [first.line, *(other.line for other in others)]
    assert len(set(lines)) == len(lines)
    assert len({thing.label for thing in (first, second, *others)}) == 12


def test_every_kind_of_package_is_met_by_rays_on_its_printed_front() -> None:
    kinds = {thing.design.product.kind: thing.body() for thing in things(15, 12)}
    assert set(kinds) == {product.kind for product in PRODUCTS}
    for body in kinds.values():
        eye = np.asarray([0.0, -50.0, body.height * 0.4], np.float32)
        beside = np.asarray([[0.0, 1.0, 0.0], [0.9, 0.435889894, 0.0]], np.float32)
        hit = body.solid.intersect(eye, beside)
        assert 50 - 2 * body.radius < hit.distance[0] < 50
        assert hit.part[0] == 0
        assert hit.normal[0, 1] < -0.9
        assert np.isinf(hit.distance[1])


def test_every_layout_prints_every_drawing_it_is_given() -> None:
    flavours = {flavour.drawing: flavour for product in PRODUCTS for flavour in product.flavours}
    assert set(flavours) == set(DRAWINGS)
    for number, flavour in enumerate(flavours.values()):
        design = Design("Wrenlow", PRODUCTS[0], flavour, PALETTES[0], number % len(LAYOUTS), 5)
        other = Design("Wrenlow", PRODUCTS[0], PRODUCTS[0].flavours[0], PALETTES[0], number % len(LAYOUTS), 5)
        if flavour.drawing != other.flavour.drawing:
            assert np.any(np.asarray(front(design, 90, 130)) != np.asarray(front(other, 90, 130)))


def test_the_demo_shows_several_things_a_photo_with_siblings_together_and_a_stranger() -> None:
    assert all(3 <= len(photo) <= 6 for photo in PHOTOS)
    assert any({0, 1} <= set(photo) for photo in PHOTOS)
    assert {place for photo in PHOTOS for place in photo} == set(range(ENROLLED + STRANGERS))
