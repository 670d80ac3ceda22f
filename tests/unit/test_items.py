"""Large items as text: they read as the lists that they were made of."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.domain import items as module
from executions.domain.items import (
    PACKED_BYTES,
    NotStorable,
    PackedItems,
    chunks_of,
    fragment,
    is_small,
    joined,
    pack,
    sample_of,
)

LARGE = [{"n": n, "text": "x" * 1000} for n in range(300)]
some_items = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers(-5, 5) | st.text('ab\u00e9\U0001f600"', max_size=20)),
    max_size=12,
)


def packed(items: list[dict[str, Any]]) -> PackedItems:
    chunks, counts = chunks_of(items)
    return PackedItems(chunks, counts, sample_of(items))


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 40)


@pytest.mark.usefixtures("_small_chunks")
class TestAsTheList:
    @given(some_items, st.data())
    def test_every_way_of_reading_gives_what_the_list_gives(self, items: list[dict[str, Any]], data: Any) -> None:
        text = packed(items)
        assert list(text) == items
        assert len(text) == len(items)
        assert orjson.loads(text.text()) == items
        begin, stop = data.draw(st.integers(-14, 14)), data.draw(st.integers(-14, 14))
        assert list(text[begin:stop]) == items[begin:stop]
        for index in range(-len(items), len(items)):
            assert text[index] == items[index]
        for index in (len(items), -len(items) - 1):
            with pytest.raises(IndexError):
                text[index]

    @given(st.lists(st.tuples(some_items, st.booleans()), max_size=4))
    def test_joined_items_are_those_of_all_lists_in_order(self, lists: Any) -> None:
        made = [packed(items) if as_text else items for items, as_text in lists]
        together = [item for items, _ in lists for item in items]
        assert list(joined(made)) == together
        if together:
            assert sample_of(joined(made)) == together[: len(sample_of(joined(made)))] != []


def test_items_travel_as_a_list_up_to_a_size_and_as_text_beyond() -> None:
    small = LARGE[:10]
    assert pack(small) == (small, len(orjson.dumps(small)))
    large, size = pack(LARGE)
    assert isinstance(large, PackedItems)
    assert size > PACKED_BYTES
    assert len(large.chunks) > 1
    assert list(large) == LARGE
    assert pack(large)[0] is large


def test_a_sample_has_the_first_items_if_they_are_small() -> None:
    assert sample_of(pack([{"n": n} for n in range(30_000)])[0]) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert sample_of(pack(LARGE)[0]) == LARGE[:1]
    assert sample_of(pack([{"text": "x" * 100_000}])[0]) == []


def test_text_is_encoded_within_other_values_without_being_parsed() -> None:
    assert orjson.loads(orjson.dumps({"output": {"main": packed(LARGE)}}, default=fragment)) == {
        "output": {"main": LARGE}
    }


@pytest.mark.parametrize("count", [1, 300])
def test_what_the_database_cannot_store_is_refused(count: int) -> None:
    with pytest.raises(NotStorable):
        pack([{"text": "\0" + "x" * 1000}] * count)


def test_few_small_items_are_small_and_text_never_is() -> None:
    assert is_small({"a": [{}], "b": []}, 100)
    assert not is_small({"a": [{"text": "x" * 60}], "b": [{"text": "x" * 60}]}, 100)
    assert not is_small({"a": [{}] * 1000}, 100_000)
    assert not is_small({"a": packed([{}])}, 100_000)
