"""Both clients against the real stack with toy models."""

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image

from kenspeckle.client import AsyncClient, Client, Conflict, NotFound, ProblemError
from tests.fixtures.bundles import scene, thing


@pytest.fixture
def client(stack: str) -> Client:
    with Client(stack) as client:
        yield client  # type: ignore[misc]


def test_a_thing_is_known_as_soon_as_it_is_added(client: Client) -> None:
    assert client.recognize(scene(1, 2)).objects[0].decision == "unknown"
    done = client.enrol(thing(1), "Tea", crop="whole", item_id="tea", metadata={"shelf": 3})
    assert done.created
    found = client.recognize(scene(1, 2), timings=True, embeddings=True)
    assert {thing.label for thing in found.objects if thing.decision == "known"} == {"Tea"}
    assert found.timings_ms
    assert found.objects[0].embedding
    assert found.gallery.revision >= done.revision
    assert len(client.detect(scene(1, 2)).objects) == 2


def test_items_are_listed_corrected_and_deleted(client: Client) -> None:
    for seed in range(5):
        client.enrol([thing(seed), thing(seed, 90)], f"Thing {seed}", crop="whole", gallery="shop", item_id=f"t{seed}")
    assert [item.id for item in client.items("shop", limit=2)] == [f"t{seed}" for seed in range(5)]
    assert [item.id for item in client.items("shop", query="ING 3")] == ["t3"]
    before = client.item("t1", gallery="shop")
    after = client.update_item("t1", gallery="shop", label="Mug", metadata={"a": 1}, if_revision=before.revision)
    assert (after.label, after.metadata) == ("Mug", {"a": 1})
    with pytest.raises(Conflict):
        client.update_item("t1", gallery="shop", label="Cup", if_revision=before.revision)
    picture = client.reference_picture(before.references[0].id, gallery="shop", size=64)
    assert max(Image.open(io.BytesIO(picture)).size) == 64
    client.delete_reference("t1", before.references[0].id, gallery="shop")
    assert len(client.item("t1", gallery="shop").references) == 1
    client.delete_item("t1", gallery="shop")
    with pytest.raises(NotFound):
        client.item("t1", gallery="shop")
    assert client.recognize(thing(1), gallery="shop", detect=False).objects[0].label != "Mug"


def test_a_gallery_travels_as_one_file(client: Client, tmp_path: Path) -> None:
    client.enrol(thing(7), "Vase", crop="whole", gallery="origin")
    file = client.export_gallery("origin", tmp_path / "origin.tar")
    made = client.import_gallery("copy", file)
    assert (made.items, made.references) == (1, 1)
    assert client.recognize(thing(7), gallery="copy", detect=False).objects[0].label == "Vase"
    client.delete_gallery("copy")
    assert "copy" not in {gallery.name for gallery in client.galleries()}


def test_a_gallery_that_was_made_anew_is_searched_at_once(client: Client) -> None:
    for _ in range(2):
        client.enrol(thing(3), "Cup", crop="whole", gallery="again")
        assert client.recognize(thing(3), gallery="again", detect=False).objects[0].label == "Cup"
        client.delete_gallery("again")


def test_galleries_keys_models_and_jobs(client: Client) -> None:
    made = client.create_gallery("described", description="one")
    assert client.update_gallery("described", description="two").description == "two"
    assert client.gallery("described").created_at == made.created_at
    assert {model.kind for model in client.models()} == {"extractor", "detector"}
    assert client.ready().ready
    client.enrol(thing(4), "Pot", crop="whole", gallery="described")
    job = client.reembed_gallery("described")
    assert client.job(job.id).kind == job.kind
    assert job.id in {entry.id for entry in client.jobs()}


def test_search_by_embedding(client: Client) -> None:
    client.enrol(thing(5), "Bowl", crop="whole", gallery="vectors")
    found = client.recognize(thing(5), gallery="vectors", detect=False, embeddings=True)
    answer = client.search([found.objects[0].embedding], found.models.extractor, gallery="vectors")
    assert answer.hits[0].candidates[0].label == "Bowl"


def test_a_wrong_field_is_named(client: Client) -> None:
    with pytest.raises(ProblemError) as caught:
        client.recognize(thing(1), boxes=[(5.0, 5.0, 1.0, 1.0)])
    assert caught.value.problem.status == 422
    assert "boxes" in str(caught.value)
    with pytest.raises(ProblemError, match="picture"):
        client.recognize(b"no picture")


def test_the_asynchronous_client_does_the_same(stack: str, tmp_path: Path) -> None:
    async def run() -> list[str | None]:
        async with AsyncClient(stack) as client:
            await asyncio.gather(
                *(client.enrol(thing(s), f"Thing {s}", crop="whole", gallery="async") for s in range(4))
            )
            answers = await asyncio.gather(
                *(client.recognize(thing(seed), gallery="async", detect=False) for seed in range(4))
            )
            await client.export_gallery("async", tmp_path / "a.tar")
            await client.import_gallery("async-copy", tmp_path / "a.tar")
            assert len([item async for item in client.items("async-copy", limit=3)]) == 4
            return [answer.objects[0].label for answer in answers]

    assert asyncio.run(run()) == [f"Thing {seed}" for seed in range(4)]


def test_keys_open_only_what_their_role_allows(own_stack: str) -> None:
    with Client(own_stack) as first:
        admin = first.create_key("admin", "admin")
    with Client(own_stack, admin.key) as keyed:
        guest = keyed.create_key("guest", "recognize")
        with Client(own_stack, guest.key) as weak:
            with pytest.raises(ProblemError) as caught:
                weak.enrol(thing(1), "Tea")
            assert caught.value.problem.status == 403
            assert list(weak.galleries()) is not None
        keyed.delete_key(guest.id)
        with Client(own_stack, guest.key) as gone, pytest.raises(ProblemError, match="valid key"):
            list(gone.galleries())
        with pytest.raises(Conflict, match="last key"):
            keyed.delete_key(admin.id)
