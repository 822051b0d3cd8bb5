"""ATSS and task alignment against slow forms written box by box and cell by cell."""

import math
import statistics

import pytest
import torch

from training.picodet.assign import atss, task_aligned
from training.picodet.boxes import cells, overlaps

SIZE = 128


def iou(a, b):
    return float(overlaps(torch.tensor(a), torch.tensor(b))[0])


def holds(box, point):
    return box[0] < point[0] < box[2] and box[1] < point[1] < box[3]


def scene(seed, boxes=4, classes=2):
    torch.manual_seed(seed)
    centres, strides = cells(SIZE, SIZE)
    low = torch.rand(boxes, 2) * 90
    gt_boxes = torch.cat([low, (low + 10 + torch.rand(boxes, 2) * 60).clamp(max=SIZE)], dim=1)
    reach = strides[:, None] * (0.5 + 2 * torch.rand(len(centres), 4))
    predicted = torch.cat([centres - reach[:, :2], centres + reach[:, 2:]], dim=1)
    return torch.rand(len(centres), classes), predicted, centres, strides, gt_boxes, torch.arange(boxes) % classes


def naive_atss(predicted, centres, strides, gt_boxes):
    chosen = {}
    anchors = [[x - 2.5 * s, y - 2.5 * s, x + 2.5 * s, y + 2.5 * s] for (x, y), s in zip(centres, strides, strict=True)]
    wanted = {}
    for g, box in enumerate(gt_boxes):
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        candidates = []
        for stride in sorted(set(strides)):
            level = [i for i, s in enumerate(strides) if s == stride]
            candidates += sorted(level, key=lambda i: math.dist(centres[i], middle))[:9]
        among = [iou(anchors[i], box) for i in candidates]
        threshold = statistics.mean(among) + statistics.stdev(among)
        for i, overlap in zip(candidates, among, strict=True):
            if overlap > threshold and holds(box, centres[i]):
                wanted.setdefault(i, []).append(g)
    for i, boxes in wanted.items():
        if len(boxes) > 1:
            boxes = [max(range(len(gt_boxes)), key=lambda g: iou(anchors[i], gt_boxes[g]))]
        chosen[i] = (boxes[0], iou(predicted[i], gt_boxes[boxes[0]]))
    return chosen


def naive_tal(scores, predicted, centres, gt_boxes, gt_classes):
    def alignment(i, g):
        return scores[i][gt_classes[g]] * iou(predicted[i], gt_boxes[g]) ** 6

    wanted = {}
    for g, box in enumerate(gt_boxes):
        inner = [i for i in range(len(centres)) if holds(box, centres[i])]
        for i in sorted(inner, key=lambda i: -alignment(i, g))[:13]:
            wanted.setdefault(i, []).append(g)
    owner = {}
    for i, boxes in wanted.items():
        everyone = range(len(gt_boxes))
        owner[i] = boxes[0] if len(boxes) == 1 else max(everyone, key=lambda g: iou(predicted[i], gt_boxes[g]))
    chosen = {}
    for i, g in owner.items():
        mine = [j for j in owner if owner[j] == g]
        best = max(alignment(j, g) for j in mine)
        top = max(iou(predicted[j], gt_boxes[g]) for j in mine)
        chosen[i] = (g, alignment(i, g) / (best + 1e-9) * top)
    return chosen


def as_dict(found):
    pairs = zip(found.boxes.tolist(), found.scores.tolist(), strict=True)
    return dict(zip(found.cells.tolist(), pairs, strict=True))


def assert_same(found, expected):
    got = as_dict(found)
    assert sorted(got) == sorted(expected)
    for cell, (box, score) in expected.items():
        assert got[cell][0] == box
        assert got[cell][1] == pytest.approx(score, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_atss_is_the_rule_of_the_paper(seed):
    _, predicted, centres, strides, gt_boxes, _ = scene(seed)
    expected = naive_atss(predicted.tolist(), centres.tolist(), strides.tolist(), gt_boxes.tolist())
    assert expected
    assert_same(atss(predicted, centres, strides, gt_boxes), expected)


@pytest.mark.parametrize("seed", range(4))
def test_task_alignment_is_the_rule_of_the_paper(seed):
    scores, predicted, centres, _, gt_boxes, classes = scene(seed)
    given = (scores.tolist(), predicted.tolist(), centres.tolist(), gt_boxes.tolist(), classes.tolist())
    expected = naive_tal(*given)
    assert expected
    assert_same(task_aligned(scores, predicted, centres, gt_boxes, classes), expected)


def test_levels_with_fewer_than_nine_cells_give_what_they_have():
    centres, strides = cells(64, 64)  # the coarsest levels have 4 and 1 cells
    box = torch.tensor([[12.0, 12, 52, 52]])
    found = atss(torch.cat([centres - 8, centres + 8], dim=1), centres, strides, box)
    assert len(found.cells) > 0


def test_the_best_cell_of_a_box_aims_at_its_own_overlap():
    scores, predicted, centres, _, gt_boxes, classes = scene(7, boxes=1)
    found = task_aligned(scores, predicted, centres, gt_boxes, classes)
    best = overlaps(predicted[found.cells], gt_boxes)[0].max()
    assert float(found.scores.max()) == pytest.approx(float(best), rel=1e-5)
