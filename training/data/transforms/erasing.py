"""Parts of the image covered."""

import math
from collections.abc import Sequence

import numpy as np

from training.config.scalars import number
from training.data.transforms.base import TRANSFORMS, Pixels
from training.data.transforms.geometry import channels


@TRANSFORMS.register()
class RandomErasing:
    """Cover a random rectangle (Zhong et al., 2020), of the normalised image in old chains. HWC or CHW.

    The parameters' names are those of configuration files.

    Args:
        EPSILON: probability.
        sl: least share of the area.
        sh: largest share of the area.
        r1: least height by width; the largest is its inverse, drawn uniformly (``use_log_aspect``: in logarithm).
        mean: value per channel in mode const.
        attempt: tries until a rectangle fits.
        use_log_aspect: see above.
        mode: const; rand: one normal value per channel; pixel: normal values.
    """

    def __init__(
        self,
        EPSILON: float | str = 0.5,
        sl: float = 0.02,
        sh: float = 0.4,
        r1: float = 0.3,
        mean: float | Sequence[float] = (0.0, 0.0, 0.0),
        attempt: int = 100,
        use_log_aspect: bool = False,
        mode: str = "const",
    ) -> None:
        if mode not in ("const", "rand", "pixel"):
            raise ValueError(f"RandomErasing: mode is const, rand or pixel, got {mode!r}")
        if not (0 < sl <= sh < 1 and 0 < r1 <= 1):
            raise ValueError(f"RandomErasing: wanted 0 < sl <= sh < 1 and 0 < r1 <= 1, got {sl}, {sh}, {r1}")
        self._prob, self._low, self._high, self._ratio = number(EPSILON), sl, sh, r1
        self._mean, self._attempts, self._log, self._mode = channels(mean), attempt, use_log_aspect, mode

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() >= self._prob:
            return image
        first = image.shape[2] != 3
        turned = np.array(image.transpose(1, 2, 0) if first else image)
        self._erase(turned, rng)
        return turned.transpose(2, 0, 1) if first else turned

    def _erase(self, image: Pixels, rng: np.random.Generator) -> None:
        height, width = image.shape[:2]
        for _ in range(self._attempts):
            area = rng.uniform(self._low, self._high) * height * width
            if self._log:
                ratio = math.exp(rng.uniform(math.log(self._ratio), -math.log(self._ratio)))
            else:
                ratio = rng.uniform(self._ratio, 1 / self._ratio)
            down, across = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if across < width and down < height:
                top, left = rng.integers(0, height - down + 1), rng.integers(0, width - across + 1)
                image[top : top + down, left : left + across] = self._content(down, across, rng)
                return

    def _content(self, down: int, across: int, rng: np.random.Generator) -> Pixels:
        if self._mode == "const":
            return np.array(self._mean, np.float32)
        return rng.standard_normal(3 if self._mode == "rand" else (down, across, 3), np.float32)


@TRANSFORMS.register()
class Cutout:
    """Cover ``n_holes`` squares of ``length`` pixels with 0, about random centres (DeVries and Taylor, 2017)."""

    def __init__(self, n_holes: int = 1, length: int = 112) -> None:
        self._holes, self._length = n_holes, length

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        covered = np.array(image)
        for _ in range(self._holes):
            y, x = rng.integers(0, image.shape[0]), rng.integers(0, image.shape[1])
            top, left = max(0, y - self._length // 2), max(0, x - self._length // 2)
            covered[top : y + self._length // 2, left : x + self._length // 2] = 0
        return covered


@TRANSFORMS.register()
class HideAndSeek:
    """Cover cells of a grid with 0, each with probability one half; cells of 16, 32, 44 or 56 pixels, or none.

    Singh and Lee, 2017.
    """

    SIDES = (0, 16, 32, 44, 56)

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        side = self.SIDES[rng.integers(len(self.SIDES))]
        if side == 0:
            return image
        rows, columns = -(-image.shape[0] // side), -(-image.shape[1] // side)
        hidden = np.kron(rng.random((rows, columns)) < 0.5, np.ones((side, side), bool))
        return np.where(hidden[: image.shape[0], : image.shape[1], None], image.dtype.type(0), image)


@TRANSFORMS.register()
class GridMask:
    """With probability ``prob``, cover parts of a turned grid with 0 (Chen et al., 2020).

    Args:
        d1: least side of the grid's cells in pixels.
        d2: largest, not reached.
        rotate: the grid is turned by less than so many degrees.
        ratio: width of the bars between squares, of the cell's side.
        mode: 0 covers the bars, 1 the squares between them.
        prob: probability.
    """

    def __init__(
        self, d1: int = 96, d2: int = 224, rotate: int = 1, ratio: float = 0.5, mode: int = 0, prob: float = 1.0
    ) -> None:
        if not (0 < d1 < d2 and rotate >= 1 and 0 < ratio < 1 and mode in (0, 1)):
            raise ValueError("GridMask: wanted 0 < d1 < d2, rotate from 1, ratio within 0…1 and mode 0 or 1")
        self._low, self._high, self._turn, self._ratio, self._mode, self._prob = d1, d2, rotate, ratio, mode, prob

    def __call__(self, image: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() >= self._prob:
            return image
        height, width = image.shape[:2]
        cell = int(rng.integers(self._low, self._high))
        square = cell - min(max(int(cell * self._ratio + 0.5), 1), cell - 1)
        down, right = int(rng.integers(0, cell)), int(rng.integers(0, cell))
        angle = math.radians(float(rng.uniform(0, self._turn)))
        y, x = np.mgrid[:height, :width] - np.array([height / 2, width / 2])[:, None, None]
        rows = (x * math.sin(angle) + y * math.cos(angle) + down) % cell
        columns = (x * math.cos(angle) - y * math.sin(angle) + right) % cell
        inside = (rows < square) & (columns < square)
        return np.where((inside if self._mode == 0 else ~inside)[:, :, None], image, image.dtype.type(0))
