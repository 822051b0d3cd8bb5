"""Photos of things: references of one thing, and scenes of several with their true boxes. Deterministic by seed."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from examples.rendering import materials
from examples.rendering.camera import Camera, framed, look
from examples.rendering.light import Light
from examples.rendering.materials import Material
from examples.rendering.photo import develop, jpeg, lens
from examples.rendering.props import prop
from examples.rendering.shapes import Array, unit
from examples.rendering.stage import Placed, Stage
from examples.rendering.things import Body, Thing
from examples.rendering.words import RGB

SCENE_SIZE = (1280, 960)
REFERENCE_SIZE = (640, 640)
MOST_HIDDEN = 0.12  # share of a thing's picture that things before it may cover
WALLS: tuple[RGB, ...] = ((222, 216, 204), (170, 186, 188), (206, 186, 164), (120, 138, 132), (196, 198, 206))
WOODS: tuple[RGB, ...] = ((176, 128, 84), (120, 80, 52), (206, 176, 136), (150, 120, 96))
CLOTHS: tuple[tuple[RGB, RGB], ...] = (((226, 220, 206), (150, 60, 56)), ((206, 214, 220), (60, 84, 120)))


@dataclass(frozen=True)
class Shown:
    """A thing in a photo and the box of its visible part, in pixels as ``[x0, y0, x1, y1]``."""

    thing: Thing
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Photo:
    """A photo and what is truly in it."""

    image: Image.Image
    data: bytes
    shown: tuple[Shown, ...]


def reference(thing: Thing, seed: int) -> Photo:
    """Photograph one thing on a plain ground, as one would to enrol it."""
    rng = np.random.default_rng([seed, 2])
    ground = materials.plaster(rng, WALLS[int(rng.integers(len(WALLS)))])
    placed = (Placed(thing.body(), 0.0, 0.0, float(rng.uniform(-0.45, 0.45))),)
    stage = Stage(placed, ground, 60.0, ground, 80.0, float(rng.uniform(16, 40)), _light(rng))
    camera = _camera(rng, placed, REFERENCE_SIZE, float(rng.uniform(0.72, 0.86)))
    return _shoot(stage, camera, (thing,), rng)


def scene(shown: list[Thing], seed: int, clutter: int = 1) -> Photo:
    """Photograph several things together, some partly before others, among ``clutter`` unprinted props."""
    rng = np.random.default_rng([seed, 3])
    floor, floor_size = _floor(rng)
    wall, wall_size = _wall(rng)
    bodies = [thing.body() for thing in shown]
    for attempt in range(400):
        placed = _arranged(rng, bodies)
        camera = _camera(rng, placed, SCENE_SIZE, float(rng.uniform(0.8, 0.9)))
        if _fair(camera, placed, MOST_HIDDEN + attempt / 2000):
            break
    light = _light(rng)
    props = _props(rng, placed, clutter)
    depth = max(body.y for body in placed) + float(rng.uniform(14, 40))
    stage = Stage((*placed, *props), floor, floor_size, wall, wall_size, depth, light)
    return _shoot(stage, camera, tuple(shown), rng)


def _shoot(stage: Stage, camera: Camera, shown: tuple[Thing, ...], rng: np.random.Generator) -> Photo:
    light, owner = stage.picture(camera)
    with_lens = lens(rng)
    image = develop(light, with_lens, rng)
    found = []
    for number, thing in enumerate(shown):
        y, x = np.nonzero(owner == number)
        found.append(Shown(thing, (float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1))))
    return Photo(image, jpeg(image, with_lens.quality), tuple(found))


def _light(rng: np.random.Generator) -> Light:
    side = float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 1.1))
    towards = unit(np.asarray([side, -float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.8, 1.3))], np.float32))
    warm = float(rng.uniform(-0.05, 0.1))
    key = np.asarray([1 + warm, 1.0, 1 - 1.4 * warm], np.float32) * float(rng.uniform(0.85, 1.1))
    sky = np.asarray([0.95, 1.0, 1.06], np.float32) * float(rng.uniform(0.5, 0.64))
    bounce = np.asarray([1.0, 0.94, 0.86], np.float32) * 0.3
    return Light(towards, key, sky, bounce, float(rng.uniform(0.06, 0.16)))


def _floor(rng: np.random.Generator) -> tuple[Material, float]:
    kind = int(rng.integers(3))
    if kind == 0:
        return materials.wood(rng, WOODS[int(rng.integers(len(WOODS)))]), 60.0
    if kind == 1:
        return materials.stone(rng, ((216, 214, 208), (92, 96, 100))[int(rng.integers(2))]), 70.0
    return materials.cloth(rng, *CLOTHS[int(rng.integers(len(CLOTHS)))]), 50.0


def _wall(rng: np.random.Generator) -> tuple[Material, float]:
    colour = WALLS[int(rng.integers(len(WALLS)))]
    return (materials.tiles(rng, colour), 90.0) if rng.random() < 0.4 else (materials.plaster(rng, colour), 80.0)


def _camera(rng: np.random.Generator, placed: tuple[Placed, ...], size: tuple[int, int], fill: float) -> Camera:
    points = np.concatenate([body.hull for body in placed])
    middle = (points.min(0) + points.max(0)) / 2
    lift, swing = float(rng.uniform(0.17, 0.5)), float(rng.uniform(-0.3, 0.3))
    reach = 45.0 + 1.5 * float((points.max(0) - points.min(0)).max())
    away = np.asarray([np.sin(swing) * np.cos(lift), -np.cos(swing) * np.cos(lift), np.sin(lift)], np.float32)
    return framed(look(middle + reach * away, middle, float(rng.normal(0, 0.015)), size), points, fill)


def _arranged(rng: np.random.Generator, bodies: list[Body]) -> tuple[Placed, ...]:
    """Stand the taller half behind the shorter half, each row with small gaps, in random order."""
    tallest = sorted(range(len(bodies)), key=lambda number: -bodies[number].height)
    behind = set(tallest[: (len(bodies) + 1) // 2])
    placed: dict[int, Placed] = {}
    for row, depth in ((behind, 0.0), (set(range(len(bodies))) - behind, -float(rng.uniform(11, 14)))):
        order = [int(number) for number in rng.permutation(sorted(row))]
        gaps = rng.uniform(1.5, 7.0, len(order))
        x = 0.0
        for number, gap in zip(order, gaps, strict=True):
            x += bodies[number].radius
            turn = float(rng.uniform(-0.34, 0.34))
            placed[number] = Placed(bodies[number], x, depth + float(rng.uniform(-1.5, 1.5)), turn)
            x += bodies[number].radius + float(gap)
        shift = x / 2 + float(rng.uniform(-6, 6))
        for number in order:
            old = placed[number]
            placed[number] = Placed(old.body, old.x - shift, old.y, old.turn)
    return tuple(placed[number] for number in range(len(bodies)))


def _bounds(camera: Camera, placed: Placed) -> Array:
    places = camera.project(placed.hull)
    return np.concatenate([places.min(0), places.max(0)])


def _fair(camera: Camera, placed: tuple[Placed, ...], most_hidden: float) -> bool:
    boxes = [_bounds(camera, body) for body in placed]
    for number, body in enumerate(placed):
        x0, y0, x1, y1 = boxes[number]
        hidden = 0.0
        for other, front in enumerate(placed):
            if front.y < body.y and other != number:
                a0, b0, a1, b1 = boxes[other]
                hidden += max(min(x1, a1) - max(x0, a0), 0) * max(min(y1, b1) - max(y0, b0), 0)
        if hidden > most_hidden * (x1 - x0) * (y1 - y0):
            return False
    return True


def _props(rng: np.random.Generator, placed: tuple[Placed, ...], count: int) -> tuple[Placed, ...]:
    found: list[Placed] = []
    for _ in range(60):
        body = prop(rng)
        candidate = Placed(body, float(rng.uniform(-30, 30)), float(rng.uniform(-12, 9)), 0.0)
        room = all(
            np.hypot(candidate.x - other.x, candidate.y - other.y) > other.body.radius + body.radius + 1.0
            and not (candidate.y < other.y and abs(candidate.x - other.x) < other.body.radius + body.radius)
            for other in (*placed, *found)
        )
        if len(found) < count and room:
            found.append(candidate)
    return tuple(found)
