"""A stage with things on it, and the tracing of one picture of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from examples.rendering.camera import Camera
from examples.rendering.light import Blocker, FloorShade, Light, floor_shade, shade_between, shine
from examples.rendering.materials import Material
from examples.rendering.shapes import Array, Hit
from examples.rendering.things import DENSITY, Body

FLOOR, WALL = -1, -2
ROUND = np.asarray([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]], np.float32)


@dataclass(frozen=True)
class Placed:
    """A body standing on the floor at (x, y), turned by ``turn`` radians about the upright."""

    body: Body
    x: float
    y: float
    turn: float

    @cached_property
    def rotation(self) -> Array:
        """Columns: the body's axes in the world."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        return np.asarray([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)

    @cached_property
    def hull(self) -> Array:
        """Hull points (K, 3) in the world."""
        return (self.body.solid.hull() @ self.rotation.T + np.asarray([self.x, self.y, 0], np.float32)).astype(
            np.float32
        )

    @property
    def blocker(self) -> Blocker:
        """The cylinder that shades others for it."""
        return Blocker(np.asarray([self.x, self.y, 0], np.float32), self.body.radius * 0.8, self.body.height)


@dataclass(frozen=True)
class Stage:
    """Bodies between a floor and a wall. A texture covers ``floor_size`` or ``wall_size`` centimetres and repeats."""

    bodies: tuple[Placed, ...]
    floor: Material
    floor_size: float
    wall: Material
    wall_size: float
    wall_distance: float
    light: Light

    @cached_property
    def shade(self) -> FloorShade:
        """Shadows on the floor."""
        return floor_shade([placed.hull for placed in self.bodies], self.light)

    def picture(self, camera: Camera) -> tuple[Array, NDArray[np.int16]]:
        """Trace every pixel once and the pixels on edges four times more.

        Returns linear light (height, width, 3) and who is seen (height, width): a body's number, FLOOR or WALL.
        """
        shape = (camera.height, camera.width)
        pixels = camera.grid()
        light, owner, part = self._trace(camera, pixels)
        edges = _edges((owner * 16 + part).reshape(shape)).ravel()
        fine = (pixels[edges][:, None, :] + ROUND).reshape(-1, 2)
        light[edges] = self._trace(camera, fine)[0].reshape(-1, len(ROUND), 3).mean(axis=1)
        return light.reshape(*shape, 3), owner.reshape(shape)

    def _trace(self, camera: Camera, pixels: Array) -> tuple[Array, NDArray[np.int16], NDArray[np.int16]]:
        directions = camera.rays(pixels)
        light, distance, owner = self._ground(camera, directions)
        part = np.zeros(len(pixels), np.int16)
        for number, placed in enumerate(self.bodies):
            places = camera.project(placed.hull)
            near = np.flatnonzero(((pixels > places.min(0) - 3) & (pixels < places.max(0) + 3)).all(axis=1))
            local = camera.position - np.asarray([placed.x, placed.y, 0], np.float32)
            hit = placed.body.solid.intersect(local @ placed.rotation, directions[near] @ placed.rotation)
            nearer = hit.distance < distance[near]
            rows = near[nearer]
            seen = Hit(hit.distance[nearer], hit.normal[nearer], hit.uv[nearer], hit.part[nearer])
            distance[rows], owner[rows], part[rows] = seen.distance, number, seen.part
            light[rows] = self._shaded(number, camera, directions[rows], seen)
        return light, owner, part

    def _ground(self, camera: Camera, directions: Array) -> tuple[Array, Array, NDArray[np.int16]]:
        down = np.where(directions[:, 2] < -1e-6, -camera.position[2] / np.minimum(directions[:, 2], -1e-6), np.inf)
        back = (self.wall_distance - camera.position[1]) / np.maximum(directions[:, 1], 1e-6)
        on_floor = down < back
        distance = np.where(on_floor, down, back).astype(np.float32)
        points = camera.position + distance[:, None] * directions
        light = np.empty_like(points)
        self._floor_light(points, directions, on_floor, light)
        self._wall_light(points, directions, ~on_floor, light)
        return light, distance, np.where(on_floor, FLOOR, WALL).astype(np.int16)

    def _floor_light(self, points: Array, directions: Array, where: NDArray[np.bool_], light: Array) -> None:
        here = points[where]
        colour = self.floor.sample(_mirrored(here[:, :2] / self.floor_size))
        normals = np.broadcast_to(np.asarray([0, 0, 1], np.float32), here.shape)
        near_wall = np.clip((self.wall_distance - here[:, 1]) / 12, 0, 1)
        window, sky = self.shade.at(here)
        shades = (window, sky * (0.6 + 0.4 * near_wall))
        light[where] = shine(colour, normals, directions[where], self.floor, shades, self.light)

    def _wall_light(self, points: Array, directions: Array, where: NDArray[np.bool_], light: Array) -> None:
        here = points[where]
        colour = self.wall.sample(_mirrored(np.stack([here[:, 0], -here[:, 2]], axis=1) / self.wall_size))
        normals = np.broadcast_to(np.asarray([0, -1, 0], np.float32), here.shape)
        low = 0.6 + 0.4 * np.clip(here[:, 2] / 14, 0, 1)
        beam = np.exp(-(((here[:, 0] - self.light.towards[0] * 40) / 90) ** 2))
        light[where] = shine(colour, normals, directions[where], self.wall, (0.55 + 0.45 * beam, low), self.light)

    def _shaded(self, number: int, camera: Camera, directions: Array, seen: Hit) -> Array:
        placed = self.bodies[number]
        others = [other.blocker for other in self.bodies if other is not placed]
        points = camera.position + seen.distance[:, None] * directions
        normals = seen.normal @ placed.rotation.T
        window, sky = shade_between(points, normals, others, self.light)
        away = float(np.linalg.norm(camera.position - np.asarray([placed.x, placed.y, 0])))
        shrink = DENSITY * away / camera.focal
        light = np.empty_like(points)
        for part, material in enumerate(placed.body.materials):
            rows = seen.part == part
            if not rows.any():
                continue
            colour = material.shrunk(shrink).sample(seen.uv[rows])
            shades = (window[rows], sky[rows])
            light[rows] = shine(colour, normals[rows], directions[rows], material, shades, self.light)
        return light


def _mirrored(uv: Array) -> Array:
    """Repeat a texture back and forth, so that it meets itself without a seam."""
    return np.abs((uv + 1) % 2 - 1).astype(np.float32)


def _edges(marks: NDArray[np.int16]) -> NDArray[np.bool_]:
    edge = np.zeros(marks.shape, bool)
    across, down = marks[:, 1:] != marks[:, :-1], marks[1:] != marks[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge
