"""What an assigner gives back."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Assignment:
    """Positive cells of one picture: cell indices, the index of the box of each, its target score; all ``(P,)``."""

    cells: Tensor
    boxes: Tensor
    scores: Tensor

    @classmethod
    def empty(cls, like: Tensor) -> "Assignment":
        """No positive cell; scores of the type and device of ``like``."""
        nothing = like.new_zeros(0)
        return cls(nothing.long(), nothing.long(), nothing)


def owners(wanted: Tensor, iou: Tensor) -> tuple[Tensor, Tensor]:
    """Positive cells and the box of each, ``(P,)``; a cell that several boxes want gets the one it overlaps most.

    Args:
        wanted: ``(A, G) bool``.
        iou: ``(A, G)``.
    """
    cells = wanted.any(dim=1).nonzero()[:, 0]
    several = wanted[cells].sum(dim=1) > 1
    single = wanted[cells].int().argmax(dim=1)
    return cells, single.where(~several, iou[cells].argmax(dim=1))


def inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Whether each centre ``(A, 2)`` lies inside of each box ``(G, 4)``: ``(A, G) bool``."""
    x, y = centres[:, 0, None], centres[:, 1, None]
    x0, y0, x1, y1 = boxes.unbind(dim=1)
    return (x > x0) & (y > y0) & (x < x1) & (y < y1)
