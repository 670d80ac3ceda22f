"""Errors of validation in plain words."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from workflow_platform.core.validation import FieldError, field_errors, first_error


class Bearer(BaseModel):
    type: Literal["bearer"]
    token: Annotated[str, StringConstraints(min_length=3, max_length=6)]


class Basic(BaseModel):
    type: Literal["basic"]
    pin: int


class Case(BaseModel):
    name: str = Field("", max_length=5, pattern="^[a-z]*$")


class Everything(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False)

    required: str = "given"
    seconds: float = Field(1, ge=0, le=3_600_000)
    ratio: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    count: int = 1
    on: bool = True
    mode: Literal["all", "each"] = "all"
    only: Literal["one"] = "one"
    cases: list[Case] = Field(default_factory=lambda: [Case()], min_length=1, max_length=2)
    at: datetime | None = None
    id: UUID | None = None
    target: Annotated[Bearer | Basic, Field(discriminator="type")] | None = None
    checked: str = ""
    password: int = 0

    @field_validator("checked")
    @classmethod
    def _check(cls, text: str) -> str:
        if "!" in text:
            raise ValueError("Remove the exclamation mark")
        return text


def error(**values: Any) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Everything.model_validate(values)
    return raised.value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": -1}, "seconds: Must be at least 0, not -1."),
        ({"seconds": 3_600_001}, "seconds: Must be at most 3600000, not 3600001."),
        ({"ratio": 0}, "ratio: Must be more than 0, not 0."),
        ({"ratio": 1.5}, "ratio: Must be less than 1, not 1.5."),
        ({"ratio": float("nan")}, "ratio: Must be a finite number."),
        ({"count": 2.5}, "count: Must be a whole number, not 2.5."),
        ({"count": "many"}, "count: Must be a whole number, not 'many'."),
        ({"count": None}, "count: Must be a whole number, not null."),
        ({"seconds": [1]}, "seconds: Must be a number, not a list."),
        ({"on": "perhaps"}, "on: Must be true or false, not 'perhaps'."),
        ({"mode": "some"}, "mode: Must be one of 'all' or 'each', not 'some'."),
        ({"only": True}, "only: Must be 'one', not true."),
        ({"required": 5}, "required: Must be text, not 5."),
        ({"required": {}}, "required: Must be text, not an object."),
        ({"unknown": 1}, "unknown: Unknown field. Remove it or correct its name."),
        ({"cases": []}, "cases: Must not be empty."),
        ({"cases": [{}, {}, {}]}, "cases: Must have at most 2 entries; it has 3."),
        ({"cases": {}}, "cases: Must be a list, not an object."),
        ({"cases": [{}, 7]}, "cases[1]: Must be an object, not 7."),
        ({"cases": [{"name": "abcdef"}]}, "cases[0].name: Must have at most 5 characters; it has 6."),
        (
            {"cases": [{"name": "A"}]},
            "cases[0].name: Must match the pattern ^[a-z]*$ (a regular expression).",
        ),
        ({"at": "soon"}, "at: Must be a date and time such as 2026-01-31T12:00:00Z, not 'soon'."),
        ({"id": "x"}, "id: Must be a UUID, not 'x'."),
        ({"target": {}}, "target: The field 'type' is required."),
        ({"target": {"type": "other"}}, "target: The field 'type' must be one of 'bearer', 'basic', not 'other'."),
        ({"target": {"type": "basic"}}, "target.basic.pin: This field is required."),
        ({"checked": "now!"}, "checked: Remove the exclamation mark."),
    ],
)
def test_an_error_says_the_field_the_value_and_the_limit(values: dict[str, Any], message: str) -> None:
    assert first_error(error(**values)) == message


def test_a_value_that_is_no_object_and_text_that_is_no_json_are_said_without_a_field() -> None:
    with pytest.raises(ValidationError) as raised:
        Everything.model_validate([])
    assert first_error(raised.value) == "Must be an object, not a list."
    with pytest.raises(ValidationError) as raised:
        Everything.model_validate_json("{")
    assert first_error(raised.value).startswith("Must be valid JSON: EOF")


def test_each_refused_field_has_an_error_with_its_path_in_both_ways() -> None:
    errors = field_errors(error(seconds=-1, cases=[{}, 7]), "parameters")
    assert [(each.path, each.dotted, each.code, each.value) for each in errors] == [
        ("parameters.seconds", "parameters.seconds", "greater_than_equal", -1),
        ("parameters.cases[1]", "parameters.cases.1", "model_type", 7),
    ]
    assert str(errors[0]) == "parameters.seconds: Must be at least 0, not -1."


def test_the_tag_of_a_union_can_be_left_out_of_the_location() -> None:
    (found,) = field_errors(error(target={"type": "basic"}), locate=lambda location: (location[0], *location[2:]))
    assert found == FieldError(("target", "pin"), "missing", "This field is required.", {"type": "basic"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"password": "hunter2"}, "password: Must be a whole number, not text."),
        ({"password": 2.5}, "password: Must be a whole number, not a number."),
        (
            {"target": {"type": "bearer", "token": "a-long-token"}},
            "target.bearer.token: Must have at most 6 characters; it has 12.",
        ),
        ({"target": {"type": "bearer", "token": 12345}}, "target.bearer.token: Must be text, not a number."),
    ],
)
def test_the_value_of_a_secret_is_never_shown(values: dict[str, Any], message: str) -> None:
    assert first_error(error(**values)) == message


def test_a_model_of_secrets_shows_no_value() -> None:
    shown = [str(each) for each in field_errors(error(count="a-secret", mode="a-secret", on=77), values=False)]
    assert shown == [
        "count: Must be a whole number, not text.",
        "on: Must be true or false, not a number.",
        "mode: Must be one of 'all' or 'each', not text.",
    ]


def test_a_long_value_is_not_shown() -> None:
    assert first_error(error(count="9" * 100 + "x")) == "count: Must be a whole number, not text."
    assert first_error(error(count="")) == "count: Must be a whole number, not an empty text."
