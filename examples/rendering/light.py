"""Light: a window as key light and mirror image, a sky, bounce from the floor, soft shadows and contact darkening."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from examples.rendering.materials import Material
from examples.rendering.shapes import Array, unit

MAP_CENTIMETRES = 140.0
MAP_PIXELS = 1024
LEAST = 0.12  # what reaches the darkest corner after many bounces


@dataclass(frozen=True)
class Light:
    """``towards`` is the unit direction to the window; colours are linear light."""

    towards: Array
    key: Array
    sky: Array
    bounce: Array
    spread: float


@dataclass(frozen=True)
class Blocker:
    """An upright cylinder that stands for a thing where it shades others."""

    centre: Array
    radius: float
    height: float


@dataclass(frozen=True)
class FloorShade:
    """How much of the window and of the sky (MAP_PIXELS square, 0..1) reaches the floor around the origin."""

    window: Array
    sky: Array

    def at(self, points: Array) -> tuple[Array, Array]:
        """Look up points (M, 3) of the floor; outside the map nothing is shaded."""
        places = (points[:, :2] / MAP_CENTIMETRES + 0.5) * (MAP_PIXELS - 1)
        inside = ((places >= 0) & (places <= MAP_PIXELS - 1)).all(axis=1)
        x, y = np.clip(places, 0, MAP_PIXELS - 1.001).T
        j, i = x.astype(np.int32), y.astype(np.int32)
        fx, fy = x - j, y - i

        def look_up(shade: Array) -> Array:
            upper = shade[i, j] * (1 - fx) + shade[i, j + 1] * fx
            lower = shade[i + 1, j] * (1 - fx) + shade[i + 1, j + 1] * fx
            return np.where(inside, upper * (1 - fy) + lower * fy, 1.0).astype(np.float32)

        return look_up(self.window), look_up(self.sky)


def floor_shade(hulls: list[Array], light: Light) -> FloorShade:
    """Drop the outlines of convex hulls, points (K, 3) each, onto the floor along many directions and average."""
    rng = np.random.default_rng(7)
    near_window = unit(light.towards + light.spread * rng.normal(size=(32, 3)).astype(np.float32))
    u, v = (np.arange(64) + 0.5) / 64, (np.arange(64) * 0.618) % 1
    sky = np.stack([np.sqrt(u) * np.cos(2 * np.pi * v), np.sqrt(u) * np.sin(2 * np.pi * v), np.sqrt(1 - u)], axis=1)
    return FloorShade(_average(hulls, near_window), _average(hulls, sky.astype(np.float32)))


def _average(hulls: list[Array], directions: Array) -> Array:
    total = np.zeros((MAP_PIXELS, MAP_PIXELS), np.float32)
    for direction in directions:
        image = Image.new("L", (MAP_PIXELS, MAP_PIXELS), 255)
        pen = ImageDraw.Draw(image)
        slant = direction[:2] / max(float(direction[2]), 0.12)
        for points in hulls:
            fallen = points[:, :2] - points[:, 2:] * slant
            pen.polygon(_outline((fallen / MAP_CENTIMETRES + 0.5) * (MAP_PIXELS - 1)), fill=0)
        total += np.asarray(image, np.float32)
    return LEAST + (1 - LEAST) * total / (255 * len(directions))


def _outline(points: Array) -> list[tuple[float, float]]:
    """Convex hull by Andrew's monotone chain."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in line:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return half(ordered) + half(ordered[::-1])


def shade_between(points: Array, normals: Array, others: list[Blocker], light: Light) -> tuple[Array, Array]:
    """How much of the window and of the sky (M,) reaches points of a thing past the other things and the floor."""
    window = np.ones(len(points), np.float32)
    lift = np.clip(points[:, 2] / 5.0, 0, 1)
    sky = (0.5 + 0.5 * lift**0.6).astype(np.float32)
    along = light.towards[:2] / np.linalg.norm(light.towards[:2])
    rise = float(light.towards[2] / np.linalg.norm(light.towards[:2]))
    for other in others:
        away = other.centre[:2] - points[:, :2]
        ahead = away @ along
        beside = np.abs(away[:, 0] * along[1] - away[:, 1] * along[0])
        blur = 0.4 + 0.16 * np.maximum(ahead, 0)
        height = points[:, 2] + np.maximum(ahead - other.radius, 0) * rise
        covered = np.clip((other.radius - beside) / blur + 0.5, 0, 1) * np.clip(
            (other.height - height) / blur + 0.5, 0, 1
        )
        window *= 1 - covered * (ahead > 0)
        distance = np.maximum(np.hypot(away[:, 0], away[:, 1]), other.radius)
        facing = np.clip((normals[:, :2] * away).sum(1) / distance, 0, 1)
        below = np.clip((other.height - points[:, 2]) / other.height + 0.2, 0, 1)
        sky *= 1 - 0.6 * facing * below * (other.radius / distance) ** 1.5
    return window, sky


def mirror_image(directions: Array, light: Light, roughness: float) -> Array:
    """What a surface sees along directions (M, 3): the window, the sky above, the floor below."""
    up = directions[:, 2:]
    share = 1 / (1 + np.exp(-up / (0.04 + 0.25 * roughness)))
    ground = light.bounce * 0.8
    colour = ground * (1 - share) + light.sky * (1.1 + 0.5 * np.clip(up, 0, 1)) * share
    side = unit(np.cross(light.towards, np.asarray([0, 0, 1], np.float32)))
    over = np.cross(side, light.towards)
    x, y, ahead = directions @ side, directions @ over, directions @ light.towards
    soft = 0.03 + 0.45 * roughness
    edge_x, edge_y = _step(0.24 - np.abs(x), soft), _step(0.4 - np.abs(y), soft)
    window = edge_x * edge_y * (ahead > 0)
    return (colour + (light.key * 1.9 / (1 + 2.5 * roughness)) * window[:, None]).astype(np.float32)


def _step(value: Array, soft: float) -> Array:
    return np.clip(value / soft + 0.5, 0, 1)


def shine(
    colour: Array, normals: Array, directions: Array, material: Material, shades: tuple[Array, Array], light: Light
) -> Array:
    """Light (M, 3) that leaves a surface of this colour (M, 3) against ``directions`` (M, 3)."""
    window, sky = (shade[:, None] for shade in shades)
    facing = np.clip(normals @ light.towards, 0, 1)[:, None]
    up = 0.5 + 0.5 * normals[:, 2:]
    around = (light.sky * up + light.bounce * (1 - up)) * sky
    scattered = colour * (light.key * facing * window + around)
    if material.gloss == 0:
        return scattered.astype(np.float32)
    slope = (normals * directions).sum(1, keepdims=True)
    reflected = mirror_image(directions - 2 * slope * normals, light, material.roughness) * (0.35 + 0.65 * sky)
    grazing = np.clip(1 + slope, 0, 1) ** 5
    if material.metal:
        mirror = material.gloss * (colour + (1 - colour) * grazing)
        return (scattered * (1 - material.gloss) + reflected * mirror).astype(np.float32)
    mirror = material.gloss * (0.07 + 0.6 * grazing)
    return (scattered * (1 - mirror) + reflected * mirror).astype(np.float32)
