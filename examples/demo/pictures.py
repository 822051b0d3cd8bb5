"""The demo's pictures: references of the gallery's things, and photos of several things each."""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from examples.rendering.scenes import Photo, reference, scene
from examples.rendering.things import Thing, things

SEED = 14
ENROLLED = 12
STRANGERS = 2
# Places in the list of things: the first two are siblings, those from ENROLLED on are strangers.
PHOTOS = ((0, 1, 4, 7, 10), (2, 3, 5, 6), (8, 9, 11, 12), (0, 5, 6, 9, 10), (1, 2, 8, 11), (3, 4, 7, 13))


@dataclass(frozen=True)
class DemoPictures:
    """What is enrolled, each thing with its reference pictures (JPEG), and what is recognised."""

    gallery: tuple[tuple[Thing, tuple[bytes, ...]], ...]
    photos: tuple[Photo, ...]


def reference_count(number: int) -> int:
    """Pictures that the thing of this number is enrolled with."""
    return (3, 2, 1, 3)[number % 4]


class Renderer:
    """Renders the demo's pictures on ``workers`` processes."""

    def __init__(self, workers: int) -> None:
        self._shown = things(SEED, ENROLLED + STRANGERS)
        self._pool = ProcessPoolExecutor(workers)
        self._references: list[list[Future[Photo]]] = []
        self._photos: list[Future[Photo]] = []

    def start(self) -> list["Future[Photo]"]:
        """Begin; the futures are for showing progress."""
        self._photos = [
            self._pool.submit(scene, [self._shown[place] for place in places], SEED * 100 + number, number % 2)
            for number, places in enumerate(PHOTOS)
        ]
        self._references = [
            [self._pool.submit(reference, thing, number * 10 + shot) for shot in range(reference_count(number))]
            for number, thing in enumerate(self._shown[:ENROLLED])
        ]
        return list(self._all())

    def _all(self) -> Iterator["Future[Photo]"]:
        yield from self._photos
        for shots in self._references:
            yield from shots

    def finish(self) -> DemoPictures:
        """Wait for all and let the processes go."""
        gallery = tuple(
            (thing, tuple(shot.result().data for shot in shots))
            for thing, shots in zip(self._shown, self._references, strict=False)
        )
        photos = tuple(photo.result() for photo in self._photos)
        self._pool.shutdown()
        return DemoPictures(gallery, photos)
