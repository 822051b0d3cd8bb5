import torch

from training.picodet.assign import simota
from training.picodet.boxes import cells

SIZE = 128


def predictions(boxes_by_cell):
    """Faint scores and useless boxes everywhere but at the given cells."""
    centres, strides = cells(SIZE, SIZE)
    scores = torch.full((len(centres), 1), 0.05)
    boxes = torch.cat([centres - 1, centres + 1], dim=1)
    for cell, box in boxes_by_cell.items():
        boxes[cell], scores[cell] = torch.tensor(box), 0.9
    return scores, boxes, centres, strides


def cell_at(x, y, stride):
    centres, strides = cells(SIZE, SIZE)
    hit = (centres == torch.tensor([x, y])).all(dim=1) & (strides == stride)
    return int(hit.nonzero()[0])


def test_the_cell_that_predicts_the_box_gets_it():
    box = [40.0, 40.0, 88.0, 88.0]
    right = cell_at(56.0, 56.0, 16)
    found = simota(*predictions({right: box}), torch.tensor([box]), torch.tensor([0]))
    assert found.cells.tolist() == [right]
    assert found.boxes.tolist() == [0]
    assert found.scores.tolist() == [1.0]


def test_more_overlap_among_the_best_gives_a_box_more_cells():
    box = [40.0, 40.0, 88.0, 88.0]
    good = {cell_at(x, y, 8): box for x in (52.0, 60.0, 68.0) for y in (60.0, 68.0)}
    found = simota(*predictions(good), torch.tensor([box]), torch.tensor([0]))
    assert set(found.cells.tolist()) == set(good)


def test_a_cell_wanted_by_two_boxes_goes_to_the_one_it_fits_better():
    first, second = [40.0, 40.0, 88.0, 88.0], [40.0, 40.0, 88.0, 92.0]
    shared = cell_at(56.0, 56.0, 16)
    found = simota(*predictions({shared: second}), torch.tensor([first, second]), torch.tensor([0, 0]))
    owner = dict(zip(found.cells.tolist(), found.boxes.tolist(), strict=True))
    assert owner[shared] == 1


def test_cells_outside_of_every_box_stay_background():
    found = simota(*predictions({}), torch.tensor([[4.0, 4.0, 30.0, 30.0]]), torch.tensor([0]))
    centres, strides = cells(SIZE, SIZE)
    assert len(found.cells) >= 1
    assert bool((centres[found.cells] < 17 + 2.5 * strides[found.cells, None]).all())
    assert bool((centres[found.cells] < 30).all())


def test_a_box_too_small_to_hold_a_centre_still_gets_a_cell():
    found = simota(*predictions({}), torch.tensor([[64.5, 64.5, 66.0, 66.0]]), torch.tensor([0]))
    assert len(found.cells) == 1


def test_the_class_of_the_box_decides_between_equal_cells():
    box = [40.0, 40.0, 88.0, 88.0]
    scores, boxes, centres, strides = predictions({cell_at(56.0, 56.0, 16): box, cell_at(72.0, 72.0, 16): box})
    two = torch.cat([scores, scores], dim=1)
    two[cell_at(56.0, 56.0, 16)] = torch.tensor([0.9, 0.01])
    two[cell_at(72.0, 72.0, 16)] = torch.tensor([0.01, 0.9])
    gts = torch.tensor([box, [40.0, 40.0, 88.0, 89.0]]), torch.tensor([0, 1])
    found = simota(two, boxes, centres, strides, *gts)
    owner = dict(zip(found.cells.tolist(), found.boxes.tolist(), strict=True))
    assert owner[cell_at(56.0, 56.0, 16)] == 0
    assert owner[cell_at(72.0, 72.0, 16)] == 1


def test_a_cell_near_the_centre_comes_before_a_better_one_far_from_it():
    near, far = cell_at(56.0, 56.0, 16), cell_at(4.0, 4.0, 8)
    whole = [0.0, 0.0, 128.0, 128.0]
    given = predictions({near: [32.0, 32.0, 96.0, 96.0], far: whole})
    found = simota(*given, torch.tensor([whole]), torch.tensor([0]))
    assert found.cells.tolist() == [near]
