"""A pinhole camera in a world of centimetres: x to the right, y away from the viewer, z up, the floor at z = 0."""

from dataclasses import dataclass

import numpy as np

from examples.rendering.shapes import Array, unit


@dataclass(frozen=True)
class Camera:
    """``axes`` has the rows right, down and forward; ``focal`` and ``centre`` are in pixels."""

    position: Array
    axes: Array
    focal: float
    centre: tuple[float, float]
    width: int
    height: int

    def rays(self, pixels: Array) -> Array:
        """Unit directions (M, 3) through picture places (M, 2)."""
        away = np.empty((len(pixels), 3), np.float32)
        away[:, :2] = (pixels - np.asarray(self.centre, np.float32)) / self.focal
        away[:, 2] = 1
        return unit(away @ self.axes).astype(np.float32)

    def project(self, points: Array) -> Array:
        """Picture places (K, 2) of points (K, 3) before the camera."""
        seen = (points - self.position) @ self.axes.T
        return (seen[:, :2] / seen[:, 2:] * self.focal + np.asarray(self.centre)).astype(np.float32)

    def grid(self) -> Array:
        """The middles of all pixels (height * width, 2), row by row."""
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        return np.stack([x.ravel(), y.ravel()], axis=1) + 0.5


def look(position: Array, target: Array, roll: float, size: tuple[int, int]) -> Camera:
    """Aim a camera at a point; ``roll`` in radians. The focal length is one picture width."""
    forward = unit(target - position)
    right = unit(np.cross(forward, np.asarray([0, 0, 1], np.float32)))
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    axes = np.stack([c * right + s * down, c * down - s * right, forward]).astype(np.float32)
    return Camera(position, axes, float(size[0]), (size[0] / 2, size[1] / 2), *size)


def framed(camera: Camera, points: Array, fill: float) -> Camera:
    """Zoom and shift so that points (K, 3) take up ``fill`` of the picture, in the middle."""
    places = camera.project(points)
    low, high = places.min(0), places.max(0)
    zoom = fill * float(min(camera.width / (high[0] - low[0]), camera.height / (high[1] - low[1])))
    middle = ((low + high) / 2 - np.asarray(camera.centre)) * zoom
    centre = (camera.width / 2 - float(middle[0]), camera.height / 2 - float(middle[1]))
    return Camera(camera.position, camera.axes, camera.focal * zoom, centre, camera.width, camera.height)
