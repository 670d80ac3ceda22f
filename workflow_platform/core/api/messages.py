"""The texts of errors in requests, in plain English, in place of the defaults of the REST framework."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import exceptions, relations, serializers, validators

_LEAST, _MOST = "Must be at least {min_value}.", "Must be at most {max_value}."
_BOUNDS: Final = {"min_value": _LEAST, "max_value": _MOST, "max_string_length": "The number has too many digits."}
_LIST: Final = {
    "not_a_list": "Expected an array.",
    "empty": "The array must not be empty.",
    "min_length": "Must have at least {min_length} elements.",
    "max_length": "Must have at most {max_length} elements.",
}
_MOMENT = "Expected a date and time such as 2026-01-31T12:00:00Z."
_CHOICE = "{input!r} is not one of the choices."

TEXTS: Final[dict[type[Any], dict[str, str]]] = {
    serializers.Field: {"required": "This field is required.", "null": "Must not be null."},
    serializers.BooleanField: {"invalid": "Expected true or false."},
    serializers.CharField: {
        "invalid": "Expected a string.",
        "blank": "Must not be empty.",
        "min_length": "Must have at least {min_length} characters.",
        "max_length": "Must have at most {max_length} characters.",
    },
    serializers.EmailField: {"invalid": "Expected an e-mail address such as ann@example.com."},
    serializers.RegexField: {"invalid": "The value does not match the required pattern."},
    serializers.SlugField: {"invalid": "Expected letters, digits, hyphens and underscores only."},
    serializers.URLField: {"invalid": "Expected a URL such as https://example.com/path."},
    serializers.UUIDField: {"invalid": "Expected a UUID."},
    serializers.IPAddressField: {"invalid": "Expected an IPv4 or IPv6 address."},
    serializers.IntegerField: {"invalid": "Expected an integer.", **_BOUNDS},
    serializers.BigIntegerField: {"invalid": "Expected an integer.", **_BOUNDS},
    serializers.FloatField: {"invalid": "Expected a number.", "overflow": "The number is too large.", **_BOUNDS},
    serializers.DecimalField: {
        "invalid": "Expected a number.",
        "max_digits": "Must have at most {max_digits} digits.",
        "max_decimal_places": "Must have at most {max_decimal_places} decimal places.",
        "max_whole_digits": "Must have at most {max_whole_digits} digits before the decimal point.",
        **_BOUNDS,
    },
    serializers.DateTimeField: {
        "invalid": _MOMENT,
        "date": f"{_MOMENT[:-1]}, not only a date.",
        "make_aware": "This time does not exist in the time zone {timezone}.",
        "overflow": "The time is too far from now.",
    },
    serializers.DateField: {
        "invalid": "Expected a date such as 2026-01-31.",
        "datetime": "Expected a date such as 2026-01-31, without a time.",
    },
    serializers.TimeField: {"invalid": "Expected a time such as 12:00:00."},
    serializers.DurationField: {
        "invalid": "Expected a duration such as 01:30:00.",
        "overflow": "The number of days must be between {min_days} and {max_days}.",
        "min_value": _LEAST,
        "max_value": _MOST,
    },
    serializers.ChoiceField: {"invalid_choice": _CHOICE},
    serializers.MultipleChoiceField: {"invalid_choice": _CHOICE, "not_a_list": "Expected an array."},
    serializers.ListField: _LIST,
    serializers.ListSerializer: _LIST,
    relations.ManyRelatedField: {name: _LIST[name] for name in ("not_a_list", "empty")},
    serializers.DictField: {"not_a_dict": "Expected an object.", "empty": "The object must not be empty."},
    serializers.Serializer: {"invalid": "Expected an object."},
    serializers.JSONField: {"invalid": "Expected a JSON value."},
    serializers.PrimaryKeyRelatedField: {
        "does_not_exist": "There is no object with the id {pk_value}, or you may not see it.",
        "incorrect_type": "Expected an id.",
    },
    serializers.SlugRelatedField: {
        "does_not_exist": "There is no object with the {slug_name} {value}.",
        "invalid": "The value is invalid.",
    },
}
"""The texts by the class that defines the default, and by code."""

DETAILS: Final[dict[type[exceptions.APIException], str]] = {
    exceptions.ValidationError: "The request has invalid values.",
    exceptions.ParseError: "The request cannot be read.",
    exceptions.AuthenticationFailed: "The credentials are wrong.",
    exceptions.NotAuthenticated: "Authentication is required: sign in, or send the header Authorization.",
    exceptions.PermissionDenied: "You do not have permission to do this.",
    exceptions.NotFound: "This does not exist, or you may not see it.",
    exceptions.MethodNotAllowed: "The method {method} is not allowed here.",
    exceptions.NotAcceptable: "The response is not available in a media type that the header Accept allows.",
    exceptions.UnsupportedMediaType: "The media type {media_type} is not supported. Send JSON with the header"
    " Content-Type: application/json.",
    exceptions.Throttled: "There are too many requests. Try again later.",
}


def install() -> None:
    """Put these texts in the place of the defaults, once, before any request."""
    for kind, texts in TEXTS.items():
        kind.default_error_messages = {**kind.__dict__.get("default_error_messages", {}), **texts}
    for problem, detail in DETAILS.items():
        problem.default_detail = detail
    validators.UniqueValidator.message = "Another object has this value already."
    validators.UniqueTogetherValidator.message = "Another object has the same {field_names} already."
