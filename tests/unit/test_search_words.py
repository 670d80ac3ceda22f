"""The words by which executions are found, and the queries for them."""

from __future__ import annotations

from uuid import UUID

from executions.domain.search_words import SearchVector, node_ran, search_query, words_of

WORKFLOW = UUID(int=1)


def test_a_text_is_divided_at_everything_that_is_no_letter_or_digit() -> None:
    assert words_of("Alice@Example.com  É_5.2 ﬁne") == ["alice", "example", "com", "é", "5", "2", "fine"]


def test_values_are_words_with_positions_and_secrets_and_names_are_not() -> None:
    vector = SearchVector(100)
    vector.add([{"name": "Ann Lee", "password": "hunter2", "n": 5, "on": True, "$binary": {"a": {"name": "x"}}}])
    vector.mark(node_ran(WORKFLOW, "it's"))
    assert str(vector) == f"'ann':1 'lee':2 '5':5 'r/{WORKFLOW.hex}/it''s'"


def test_no_more_words_are_taken_than_allowed() -> None:
    vector = SearchVector(2)
    vector.add({"a": "one two three", "b": "four"})
    assert (str(vector), vector.is_full) == ("'one':1 'two':2", True)


def test_a_query_has_all_words_joined_ones_in_order_and_the_last_may_be_incomplete() -> None:
    assert search_query("Order a@b.co  x", ["w/1"]) == "'w/1' & ('order') & ('a' <-> 'b' <-> 'co') & ('x')"
    assert search_query("ann le") == "('ann') & ('le':*)"
    assert search_query("' & | !") == ""
    assert search_query("", ["f/1/n"]) == "'f/1/n'"
