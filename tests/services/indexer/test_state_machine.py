"""Any sequence of changes and restarts leaves what a plain dictionary says."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kenspeckle.bundle import Bundle
from kenspeckle.decision import p_values
from kenspeckle.types import ItemPatch
from services.common.errors import Conflict
from services.indexer.store.listing import Filter
from tests.services.indexer.helpers import Running, new_item, png, settings_for, vectors

LABELS = st.sampled_from(["Oat", "Soy", "Tea", None])


class Story(RuleBasedStateMachine):
    """The indexer against ``model``: label and vectors by reference of each item."""

    models: Path
    bundle: Bundle

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kenspeckle-story-"))
        self.running = Running(settings_for(self.folder, self.models))
        self.fingerprint = self.bundle.card.fingerprint
        self.model: dict[str, tuple[str | None, dict[str, np.ndarray]]] = {}
        self.revision = 0
        self.drawn = 0

    def teardown(self) -> None:
        if hasattr(self, "running"):
            self.running.close()
            shutil.rmtree(self.folder)

    @rule(label=LABELS, count=st.integers(1, 3))
    def enrol(self, label: str | None, count: int) -> None:
        self.drawn += 1
        new = vectors([3, self.drawn], count)
        item = new_item(self.fingerprint, count, label=label, negative=label is None)
        made = self.running.enrol(item, new, [png(self.drawn * 10 + one) for one in range(count)])
        self.model[made.item_id] = (label, dict(zip([one.id for one in made.references], new, strict=True)))
        self.revision += 1
        assert made.revision == self.revision

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def add_reference(self, data: st.DataObject) -> None:
        self.drawn += 1
        item_id = data.draw(st.sampled_from(sorted(self.model)))
        new = vectors([3, self.drawn])
        made = self.running.enrol(new_item(self.fingerprint, item_id=item_id), new, [png(self.drawn * 10)])
        self.model[item_id][1][made.references[0].id] = new[0]
        self.revision += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data(), label=st.sampled_from(["Oat", "Soy", "Tea"]))
    def relabel(self, data: st.DataObject, label: str) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.model)))
        if self.model[item_id][0] is not None:
            patch = ItemPatch(label=label)
            self.running.service.galleries.change_item("things", item_id, patch, lambda _: True)
            self.model[item_id] = (label, self.model[item_id][1])
            self.revision += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete_item(self, data: st.DataObject) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.model)))
        self.running.service.galleries.delete_item("things", item_id, lambda _: True)
        del self.model[item_id]
        self.revision += 1

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete_reference(self, data: st.DataObject) -> None:
        item_id = data.draw(st.sampled_from(sorted(self.model)))
        references = self.model[item_id][1]
        reference = data.draw(st.sampled_from(sorted(references)))
        delete = self.running.service.galleries.delete_reference
        if len(references) == 1:
            with pytest.raises(Conflict):
                delete("things", item_id, reference, lambda _: True)
        else:
            delete("things", item_id, reference, lambda _: True)
            del references[reference]
            self.revision += 1

    @rule(lose_generation=st.booleans())
    def restart(self, lose_generation: bool) -> None:
        self.running.restart()
        if lose_generation:
            shutil.rmtree(self.folder / "generations", ignore_errors=True)

    @precondition(lambda self: self.revision)
    @invariant()
    def items_are_those_of_the_model(self) -> None:
        listed = self.running.service.galleries.list_items("things", Filter(), 1000, None).items
        seen = {item.id: (item.label, {one.id for one in item.references}) for item in listed}
        assert seen == {item_id: (label, set(held)) for item_id, (label, held) in self.model.items()}
        gallery = self.running.service.galleries.get("things")
        assert gallery.revision == self.revision

    @precondition(lambda self: self.revision)
    @invariant()
    def searches_find_what_the_model_holds(self) -> None:
        queries = vectors([4, self.drawn], 2)
        answer = self.running.search(self.fingerprint, queries, top_k=3)
        negatives = [v for label, held in self.model.values() if label is None for v in held.values()]
        members = np.concatenate([self.bundle.cohort(), *[v[None] for v in negatives]])
        assert answer.gallery.revision == self.revision
        assert answer.cohort_size == len(members)
        for query, hit in zip(queries, answer.hits, strict=True):
            best = sorted(
                ((max(float(query @ v) for v in held.values()), item_id) for item_id, (_, held) in self.model.items()),
                reverse=True,
            )
            assert [one.item_id for one in hit.candidates] == [item_id for _, item_id in best[:3]]
            assert [one.label for one in hit.candidates] == [self.model[item_id][0] for _, item_id in best[:3]]
            labelled = [(s, self.model[i][0]) for s, i in best if self.model[i][0] is not None]
            if not best:
                assert hit.p_value is None
                continue
            others = [(s, label) for s, label in labelled if label != self.model[best[0][1]][0]]
            assert hit.other_label == (others[0][1] if others else None)
            if labelled:
                known = np.stack([v for label, held in self.model.values() if label for v in held.values()])
                maxima = (members @ known.T).max(axis=1)
                expected = p_values(np.array([labelled[0][0]]), maxima)[0]
                assert hit.p_value == pytest.approx(expected, abs=1.01 / (len(members) + 1))
            else:
                assert hit.p_value == 1


def test_any_story_ends_as_the_model_says(models: Path, bundle: Bundle) -> None:
    Story.models, Story.bundle = models, bundle
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=8, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
