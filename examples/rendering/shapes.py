"""Ray intersection with the three families of solids that products are made of. Lengths in centimetres.

Every solid stands in its own frame: x to the right, y away from the viewer, z up, the origin in the middle of its
base. A ray is one shared origin and a unit direction; a miss has an infinite distance.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
FAR = np.float32(np.inf)


class Hit(NamedTuple):
    """Where M rays meet a solid: distance (M,), unit normal (M, 3), texture place (M, 2) in 0..1 with v downwards,
    and the part (M,) whose material shows there."""

    distance: Array
    normal: Array
    uv: Array
    part: NDArray[np.int16]


class Solid(Protocol):
    """A shape that rays can meet."""

    def intersect(self, origin: Array, directions: Array) -> Hit:
        """Meet rays from ``origin`` (3,) along ``directions`` (M, 3), all in the solid's frame."""
        ...

    def hull(self) -> Array:
        """Points (K, 3) whose convex hull holds the solid: for shadows and picture bounds."""
        ...


def unit(vectors: Array) -> Array:
    """Scale rows (..., 3) to length one."""
    lengths: Array = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-9)


@dataclass(frozen=True)
class Face:
    """One plane of a convex solid. A point p maps to u = (p - corner)·across, v = (p - corner)·down."""

    normal: Array
    corner: Array
    across: Array
    down: Array
    part: int

    @property
    def offset(self) -> float:
        """Distance of the plane from the origin along its normal."""
        return float(self.normal @ self.corner)


def face(corner: list[float], right: list[float], down: list[float], part: int) -> Face:
    """Make the face that spans ``right`` and ``down`` from its upper left corner, seen from outside."""
    r, d = np.asarray(right, np.float32), np.asarray(down, np.float32)
    normal = unit(np.cross(d, r))
    return Face(normal, np.asarray(corner, np.float32), r / (r @ r), d / (d @ d), part)


@dataclass(frozen=True)
class Convex:
    """The space behind all of some faces; ``bevel`` is the width of the rounded-looking edges."""

    faces: tuple[Face, ...]
    corners: Array
    bevel: float = 0.18

    def intersect(self, origin: Array, directions: Array) -> Hit:
        """Clip each ray against every plane."""
        normals = np.stack([f.normal for f in self.faces])
        offsets = np.asarray([f.offset for f in self.faces], np.float32)
        slope = directions @ normals.T
        reach = (offsets - normals @ origin) / np.where(np.abs(slope) < 1e-7, 1e-7, slope)
        entry = np.where(slope < 0, reach, -FAR)
        first = entry.argmax(axis=1)
        distance = entry.max(axis=1)
        leave = np.where(slope > 0, reach, FAR).min(axis=1)
        distance = np.where((distance < leave) & (distance > 0), distance, FAR).astype(np.float32)
        found = np.isfinite(distance)
        points = origin + np.where(found, distance, 0.0)[:, None] * directions
        uv = np.zeros((len(directions), 2), np.float32)
        part = np.zeros(len(directions), np.int16)
        for number, side in enumerate(self.faces):
            here = found & (first == number)
            away = points[here] - side.corner
            uv[here] = np.stack([away @ side.across, away @ side.down], axis=1)
            part[here] = side.part
        return Hit(distance, self._bevelled(points, normals, offsets, first), uv, part)

    def _bevelled(self, points: Array, normals: Array, offsets: Array, first: NDArray[np.intp]) -> Array:
        slack = offsets - points @ normals.T
        lean = np.clip(1.0 - slack / self.bevel, 0.0, 1.0) ** 2
        lean[np.arange(len(points)), first] = 1.0
        return unit(lean @ normals).astype(np.float32)

    def hull(self) -> Array:
        """The corners."""
        return self.corners


def box(width: float, depth: float, height: float) -> Convex:
    """A carton. Parts: 0 front, 1 back, 2 sides, 3 top, 4 bottom."""
    w, d, h = width / 2, depth / 2, height
    faces = (
        face([-w, -d, h], [width, 0, 0], [0, 0, -h], 0),
        face([w, d, h], [-width, 0, 0], [0, 0, -h], 1),
        face([w, -d, h], [0, depth, 0], [0, 0, -h], 2),
        face([-w, d, h], [0, -depth, 0], [0, 0, -h], 2),
        face([-w, d, h], [width, 0, 0], [0, -depth, 0], 3),
        face([-w, -d, 0], [width, 0, 0], [0, depth, 0], 4),
    )
    corners = [[x, y, z] for x in (-w, w) for y in (-d, d) for z in (0.0, h)]
    return Convex(faces, np.asarray(corners, np.float32))


def gable(width: float, height: float, roof: float) -> Convex:
    """A drinks carton whose front and back slope together over ``roof`` centimetres. Parts as of a box, 3 the roof."""
    w, h = width / 2, height
    ridge = 0.12
    faces = (
        face([-w, -w, h], [width, 0, 0], [0, 0, -h], 0),
        face([w, w, h], [-width, 0, 0], [0, 0, -h], 1),
        face([w, -w, h + roof], [0, width, 0], [0, 0, -h - roof], 2),
        face([-w, w, h + roof], [0, -width, 0], [0, 0, -h - roof], 2),
        face([-w, -ridge, h + roof], [width, 0, 0], [0, ridge - w, -roof], 3),
        face([w, ridge, h + roof], [-width, 0, 0], [0, w - ridge, -roof], 3),
        face([-w, ridge, h + roof], [width, 0, 0], [0, -2 * ridge, 0], 5),
        face([-w, -w, 0], [width, 0, 0], [0, width, 0], 4),
    )
    base = [[x, y, z] for x in (-w, w) for y in (-w, w) for z in (0.0, h)]
    top = [[x, y, h + roof] for x in (-w, w) for y in (-ridge, ridge)]
    return Convex(faces, np.asarray(base + top, np.float32), bevel=0.12)


@dataclass(frozen=True)
class Revolved:
    """A profile of (radius, height) points, from the base upwards, turned about the z axis.

    ``parts`` names the material of each of the segments between the points. u runs once round, 0.5 at the front;
    v runs down the whole stretch of neighbouring segments that share a part.
    """

    profile: tuple[tuple[float, float], ...]
    parts: tuple[int, ...]

    def intersect(self, origin: Array, directions: Array) -> Hit:
        """Solve each segment's cone for the nearest point, and keep the nearest of all segments."""
        count = len(directions)
        distance = np.full(count, FAR, np.float32)
        segment = np.zeros(count, np.int16)
        for number, (lower, upper) in enumerate(zip(self.profile, self.profile[1:], strict=False)):
            reach = _cone(origin, directions, lower, upper)
            nearer = reach < distance
            distance[nearer] = reach[nearer]
            segment[nearer] = number
        points = origin + np.where(np.isfinite(distance), distance, 0.0)[:, None] * directions
        share = self._share(points, segment)
        part = np.asarray(self.parts, np.int16)[segment]
        u = 0.5 + np.arctan2(points[:, 0], -points[:, 1]) / (2 * np.pi)
        ends = np.asarray(self._stretches(), np.float32)[segment]
        v = (ends[:, 1] - points[:, 2]) / np.maximum(ends[:, 1] - ends[:, 0], 1e-6)
        return Hit(distance, self._normals(points, segment, share), np.stack([u, v], 1).astype(np.float32), part)

    def _share(self, points: Array, segment: NDArray[np.int16]) -> Array:
        rings = np.asarray(self.profile, np.float32)
        low, step = rings[segment], rings[segment + 1] - rings[segment]
        away = np.stack([np.hypot(points[:, 0], points[:, 1]), points[:, 2]], axis=1) - low
        return np.clip((away * step).sum(1) / np.maximum((step * step).sum(1), 1e-9), 0.0, 1.0).astype(np.float32)

    def _normals(self, points: Array, segment: NDArray[np.int16], share: Array) -> Array:
        rings = np.asarray(self.profile, np.float32)
        step = np.diff(rings, axis=0)
        flat = np.stack([step[:, 1], -step[:, 0]], axis=1)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
        begin, end = flat.copy(), flat.copy()
        for number in range(len(flat) - 1):
            if flat[number] @ flat[number + 1] > 0.6:
                begin[number + 1] = end[number] = flat[number] + flat[number + 1]
        begin /= np.linalg.norm(begin, axis=1, keepdims=True)
        end /= np.linalg.norm(end, axis=1, keepdims=True)
        turned = begin[segment] * (1 - share[:, None]) + end[segment] * share[:, None]
        radius = np.maximum(np.hypot(points[:, 0], points[:, 1]), 1e-6)
        around = points[:, :2] / radius[:, None]
        return unit(np.concatenate([around * turned[:, :1], turned[:, 1:]], axis=1)).astype(np.float32)

    def _stretches(self) -> list[tuple[float, float]]:
        heights: dict[int, tuple[float, float]] = {}
        for part, (_, low), (_, high) in zip(self.parts, self.profile, self.profile[1:], strict=False):
            before = heights.get(part, (low, high))
            heights[part] = (min(before[0], low), max(before[1], high))
        return [heights[part] for part in self.parts]

    def hull(self) -> Array:
        """The corners of a 20-sided stand-in for every ring."""
        angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        rings = [np.column_stack([circle * r, np.full(20, z)]) for r, z in self.profile if r > 0]
        return np.concatenate(rings).astype(np.float32)


def _cone(origin: Array, directions: Array, lower: tuple[float, float], upper: tuple[float, float]) -> Array:
    """Nearest outer meeting (M,) of rays with the band between two rings."""
    (r0, z0), (r1, z1) = lower, upper
    dx, dy, dz = directions.T
    if abs(z1 - z0) < 1e-6:
        reach = (z0 - origin[2]) / np.where(np.abs(dz) < 1e-7, 1e-7, dz)
        radius = np.hypot(origin[0] + reach * dx, origin[1] + reach * dy)
        inside = (reach > 0) & (radius >= min(r0, r1)) & (radius <= max(r0, r1))
        return np.where(inside, reach, FAR).astype(np.float32)
    widening = (r1 - r0) / (z1 - z0)
    level = r0 + widening * (origin[2] - z0)
    a = dx * dx + dy * dy - (widening * dz) ** 2
    b = origin[0] * dx + origin[1] * dy - level * widening * dz
    c = origin[0] ** 2 + origin[1] ** 2 - level * level
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    a = np.where(np.abs(a) < 1e-9, 1e-9, a)
    nearest = np.full(len(directions), FAR, np.float32)
    for sign in (-1.0, 1.0):
        reach = (-b + sign * root) / a
        z = origin[2] + reach * dz
        good = (b * b >= a * c) & (reach > 0) & (z >= z0) & (z <= z1) & (level + widening * reach * dz >= 0)
        nearest = np.where(good & (reach < nearest), reach, nearest).astype(np.float32)
    return nearest


@dataclass(frozen=True)
class Pouch:
    """A filled bag: flat seals above and below, bulging and creased between. One part; the back repeats the front.

    ``thickness`` (rows, columns) is half the depth in centimetres over the front, top row first.
    """

    width: float
    height: float
    thickness: Array

    def intersect(self, origin: Array, directions: Array) -> Hit:
        """Step along each ray through the slab that holds the bag, then halve the step that crossed its skin."""
        half = np.asarray([self.width / 2, float(self.thickness.max()), self.height / 2], np.float32)
        centre = np.asarray([0, 0, self.height / 2], np.float32)
        safe = np.where(np.abs(directions) < 1e-7, 1e-7, directions)
        ends = np.stack([(centre - half - origin) / safe, (centre + half - origin) / safe])
        near, far = ends.min(0).max(1), ends.max(0).min(1)
        aimed = np.flatnonzero((near < far) & (near > 0))
        distance = np.full(len(directions), FAR, np.float32)
        distance[aimed] = self._march(origin, directions[aimed], near[aimed], far[aimed])
        found = np.isfinite(distance)
        points = origin + np.where(found, distance, 0.0)[:, None] * directions
        u = np.clip(points[:, 0] / self.width + 0.5, 0, 1)
        u = np.where(points[:, 1] > 0, 1 - u, u)
        v = np.clip(1 - points[:, 2] / self.height, 0, 1)
        part = np.zeros(len(directions), np.int16)
        return Hit(distance, self._normals(points), np.stack([u, v], 1).astype(np.float32), part)

    def _march(self, origin: Array, directions: Array, near: Array, far: Array) -> Array:
        steps = 28
        low, high = near.copy(), np.full(len(near), FAR, np.float32)
        for step in range(1, steps + 1):
            reach = near + (far - near) * np.float32(step / steps)
            crossed = self._outside(origin + reach[:, None] * directions) <= 0
            newly = crossed & ~np.isfinite(high)
            high[newly] = reach[newly]
            low = np.where(np.isfinite(high), low, reach)
        inside = np.isfinite(high)
        a, b = low[inside], high[inside]
        for _ in range(5):
            middle = (a + b) / 2
            beyond = self._outside(origin + middle[:, None] * directions[inside]) <= 0
            a, b = np.where(beyond, a, middle), np.where(beyond, middle, b)
        high[inside] = b
        return high

    def _outside(self, points: Array) -> Array:
        return np.abs(points[:, 1]) - self._sample(self.thickness, points)

    def _sample(self, grid: Array, points: Array) -> Array:
        rows, columns = self.thickness.shape
        x = np.clip((points[:, 0] / self.width + 0.5) * (columns - 1), 0, columns - 1.001)
        y = np.clip((1 - points[:, 2] / self.height) * (rows - 1), 0, rows - 1.001)
        i, j = y.astype(np.int32), x.astype(np.int32)
        fy, fx = y - i, x - j
        top = grid[i, j] * (1 - fx) + grid[i, j + 1] * fx
        return top * (1 - fy) + (grid[i + 1, j] * (1 - fx) + grid[i + 1, j + 1] * fx) * fy

    def _normals(self, points: Array) -> Array:
        rows, columns = self.thickness.shape
        down, across = np.gradient(self.thickness, self.height / (rows - 1), self.width / (columns - 1))
        side = np.sign(points[:, 1])
        slope_x = self._sample(across.astype(np.float32), points)
        slope_z = -self._sample(down.astype(np.float32), points)
        return unit(np.stack([-slope_x, side, -slope_z], axis=1)).astype(np.float32)

    def hull(self) -> Array:
        """Twelve points on each of four levels of the bag."""
        rows = self.thickness.max(axis=1)
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        points = []
        for level in (0.0, 0.3, 0.7, 1.0):
            depth = rows[round((1 - level) * (len(rows) - 1))]
            height = np.full(12, level * self.height)
            points.append(np.column_stack([self.width / 2 * np.cos(angles), depth * np.sin(angles), height]))
        return np.concatenate(points).astype(np.float32)
