"""Serializers of delivery statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from events.api.query_fields import ManyField
from webhooks.statistics import BUCKETS, MOST_BUCKETS, DeliveryStats, Statistics
from workflow_platform.core.api.inputs import Moment, QuerySerializer

DEFAULT_SPAN = timedelta(days=1)
LONGEST_SPAN = timedelta(days=366)


class StatisticsQuerySerializer(QuerySerializer):
    endpoint = ManyField(
        serializers.UUIDField(), help_text="One or more ids, separated by commas or in repeated parameters."
    )
    workspace = serializers.UUIDField(required=False)
    since = Moment(required=False, help_text="Defaults to one day before `until`.")
    until = Moment(required=False, help_text="Defaults to now.")
    bucket = serializers.ChoiceField(
        choices=list(BUCKETS),
        required=False,
        help_text="The bucket size of `series`. The default depends on the time range.",
    )

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        try:
            until = data.setdefault("until", timezone.now())
            since = data.setdefault("since", until - DEFAULT_SPAN)
            span = until - since
        except OverflowError:
            raise serializers.ValidationError({"until": "The time is out of range."}) from None
        if not timedelta() < span <= LONGEST_SPAN:
            raise serializers.ValidationError(
                {"since": f"`since` must be before `until`, by at most {LONGEST_SPAN.days} days."}
            )
        fits = [name for name, step in BUCKETS.items() if span / step <= 200]
        bucket = data.setdefault("bucket", fits[0] if fits else "day")
        if span / BUCKETS[bucket] > MOST_BUCKETS:
            raise serializers.ValidationError(
                {"bucket": f"More than {MOST_BUCKETS} buckets. Choose a larger bucket or a shorter time."}
            )
        return data


class FiguresSerializer(serializers.Serializer[Any]):
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True, help_text="delivered / (delivered + failed), from 0 to 1.")
    attempts = serializers.IntegerField()
    attempts_per_delivery = serializers.FloatField(allow_null=True)
    p50_ms = serializers.FloatField(allow_null=True, help_text="Percentiles of the total time of an attempt.")
    p95_ms = serializers.FloatField(allow_null=True)
    p99_ms = serializers.FloatField(allow_null=True)


class EndpointFiguresSerializer(FiguresSerializer):
    endpoint = serializers.UUIDField(allow_null=True, help_text="Null for ad-hoc deliveries.")
    name = serializers.CharField()


class BucketFiguresSerializer(FiguresSerializer):
    time = serializers.DateTimeField(help_text="The start of the bucket.")


class StatisticsSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    bucket = serializers.ChoiceField(choices=list(BUCKETS))
    total = FiguresSerializer()
    endpoints = EndpointFiguresSerializer(many=True)
    series = BucketFiguresSerializer(many=True)


def shown(measured: Statistics, query: Mapping[str, Any], names: Mapping[UUID, str]) -> dict[str, Any]:
    """Return the statistics for the API, endpoints with the most deliveries first."""
    ranked = sorted(measured.endpoints.items(), key=lambda each: -(each[1].delivered + each[1].failed))
    return {
        "since": query["since"],
        "until": query["until"],
        "bucket": query["bucket"],
        "total": _figures(measured.total),
        "endpoints": [
            {"endpoint": pk, "name": names.get(pk, "") if pk else "Ad hoc", **_figures(figures)}
            for pk, figures in ranked
        ],
        "series": [{"time": moment, **_figures(figures)} for moment, figures in sorted(measured.series.items())],
    }


def _figures(figures: DeliveryStats) -> dict[str, Any]:
    return asdict(figures) | {"success_rate": figures.success_rate}
