"""The texts of errors in requests: plain English, for every field of the API."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import exceptions, relations, serializers

from executions.api.serializers import ExecuteSerializer, WorkflowWriteSerializer
from workflow_platform import urls  # noqa: F401 - sets the texts

OTHERS = ("Ensure", "dictionary", "items but got", " pk", "Invalid data", "not a valid", "datetime", "wrong format")
UNUSED = {"HyperlinkedRelatedField", "FilePathField", "FileField", "ImageField", "ModelField"}


def field_classes(kind: type[Any] = serializers.Field) -> set[type[Any]]:
    return {kind}.union(*(field_classes(each) for each in kind.__subclasses__()))


def test_no_field_has_a_text_that_speaks_of_python() -> None:
    classes = {each for each in field_classes() if each.__name__ not in UNUSED and each is not relations.RelatedField}
    texts = {str(text) for each in classes for text in getattr(each, "default_error_messages", {}).values()}
    texts |= {str(each.default_detail) for each in (exceptions.ParseError, exceptions.NotAuthenticated)}
    assert [text for text in texts if any(word in text for word in OTHERS)] == []


@pytest.mark.parametrize(
    ("serializer", "data", "field", "said"),
    [
        (WorkflowWriteSerializer, {"settings": ["a"]}, "settings", "Expected an object, not an array."),
        (WorkflowWriteSerializer, [1], "non_field_errors", "Expected an object."),
        (WorkflowWriteSerializer, {"name": "", "nodes": []}, "name", "Must not be empty."),
        (WorkflowWriteSerializer, {"name": "x" * 201, "nodes": []}, "name", "Must have at most 200 characters."),
        (ExecuteSerializer, {"input": "a"}, "input", "Expected an array, not a string."),
        (ExecuteSerializer, {"input": ["a"]}, "input", "Expected an object, not a string."),
        (ExecuteSerializer, {"wait": 61}, "wait", "Must be at most 60."),
        (ExecuteSerializer, {"mode": "fast"}, "mode", "'fast' is not one of the choices."),
    ],
)
def test_an_error_says_what_was_expected(serializer: type[Any], data: Any, field: str, said: str) -> None:
    request = serializer(data=data)
    assert not request.is_valid()
    assert str(request.errors[field][0]) == said
