"""$now, DateTime, Duration and Interval in expressions: the documented behaviour of Luxon, in real time zones."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.time_zones import zone_names
from executions.sandbox.evaluation import run as run_code

BERLIN = {"timezone": "Europe/Berlin"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def resolved(expression: str, item: dict[str, Any] | None = None, timezone: str = "Europe/Berlin") -> Any:
    return Evaluator(ExpressionScope([item or {}], surroundings={"timezone": timezone})).resolve(
        f"{{{{ {expression} }}}}"
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # making
        ("DateTime.fromISO('2024-05-25').toISO()", "2024-05-25T00:00:00.000+02:00"),
        ("DateTime.fromISO('2024-05')", "2024-05-01T00:00:00.000+02:00"),
        ("DateTime.fromISO('20240525T091011')", "2024-05-25T09:10:11.000+02:00"),
        ("DateTime.fromISO('2024-W05-4').toISODate()", "2024-02-01"),
        ("DateTime.fromISO('2024-200').toISODate()", "2024-07-18"),
        ("DateTime.fromISO('2016-05-25T09:08:34.123+06:00')", "2016-05-25T05:08:34.123+02:00"),
        ("DateTime.fromISO('2016-05-25T09:08:34.123+06:00', {setZone: true})", "2016-05-25T09:08:34.123+06:00"),
        ("DateTime.fromISO('2016-05-25T09:00:00Z').toUTC()", "2016-05-25T09:00:00.000Z"),
        ("DateTime.fromISO('2024-05-25T24:00')", "2024-05-26T00:00:00.000+02:00"),
        ("DateTime.fromSQL('2017-05-15 09:24:15').toISO()", "2017-05-15T09:24:15.000+02:00"),
        ("DateTime.fromSQL('2017-05-15 09:24:15.123 America/Los_Angeles')", "2017-05-15T18:24:15.123+02:00"),
        ("DateTime.fromRFC2822('Tue, 01 Nov 2016 13:23:12 +0630').toUTC()", "2016-11-01T06:53:12.000Z"),
        ("DateTime.fromHTTP('Sun, 06 Nov 1994 08:49:37 GMT')", "1994-11-06T09:49:37.000+01:00"),
        ("DateTime.fromHTTP('Sunday, 06-Nov-94 08:49:37 GMT')", "1994-11-06T09:49:37.000+01:00"),
        ("DateTime.fromFormat('12.03.2024 14:05', 'dd.MM.yyyy HH:mm')", "2024-03-12T14:05:00.000+01:00"),
        ("DateTime.fromFormat('May 25, 1982', 'MMMM dd, yyyy').toISODate()", "1982-05-25"),
        ("DateTime.fromFormat('3/7/24 1:05 PM', 'M/d/yy h:mm a').toISO()", "2024-03-07T13:05:00.000+01:00"),
        ("DateTime.fromFormat('2024-01-01 10:00 Asia/Tokyo', 'yyyy-MM-dd HH:mm z', {setZone: true})",
         "2024-01-01T10:00:00.000+09:00"),
        ("DateTime.fromMillis(0, {zone: 'utc'})", "1970-01-01T00:00:00.000Z"),
        ("DateTime.fromSeconds(1700000000).toSeconds()", 1700000000),
        ("DateTime.fromJSDate(new Date(0)).toISO()", "1970-01-01T01:00:00.000+01:00"),
        ("DateTime.fromObject({year: 2024, month: 5, hour: 12}, {zone: 'utc'})", "2024-05-01T12:00:00.000Z"),
        ("DateTime.local(2017, 3, 12, 5, 45)", "2017-03-12T05:45:00.000+01:00"),
        ("DateTime.utc(2017, 3, 12)", "2017-03-12T00:00:00.000Z"),
        ("DateTime.now().zoneName", "Europe/Berlin"),
        ("[DateTime.fromISO('2024-02-30').isValid, DateTime.fromISO('2024-02-30')]", [False, None]),
        ("DateTime.fromISO('nonsense').invalidReason", "unparsable"),
        ("`${DateTime.fromISO('nonsense')}`", "Invalid DateTime"),
        # changing
        ("DateTime.fromISO('2024-01-31').plus({months: 1}).toISODate()", "2024-02-29"),
        ("DateTime.fromISO('2024-01-01').plus({days: 1.5})", "2024-01-02T12:00:00.000+01:00"),
        ("DateTime.fromISO('2024-03-31').minus({month: 1}).toISODate()", "2024-02-29"),
        ("DateTime.fromISO('2024-01-01').plus(2, 'weeks').toISODate()", "2024-01-15"),
        ("DateTime.fromISO('2024-01-01').minus(7, 'days').toISODate()", "2023-12-25"),
        ("DateTime.fromISO('2024-03-30T12:00').plus({days: 1})", "2024-03-31T12:00:00.000+02:00"),
        ("DateTime.fromISO('2024-03-30T12:00').plus({hours: 24})", "2024-03-31T13:00:00.000+02:00"),
        ("DateTime.fromISO('2024-05-15').set({day: 31, month: 2}).toISODate()", "2024-03-02"),
        ("DateTime.fromISO('2024-05-31').set({month: 2}).toISODate()", "2024-02-29"),
        ("DateTime.fromISO('2024-05-15').set({weekday: 1}).toISODate()", "2024-05-13"),
        ("DateTime.fromISO('2024-05-15T13:14').startOf('month')", "2024-05-01T00:00:00.000+02:00"),
        ("DateTime.fromISO('2024-05-15').startOf('week').toISODate()", "2024-05-13"),
        ("DateTime.fromISO('2024-05-15').startOf('quarter').toISODate()", "2024-04-01"),
        ("DateTime.fromISO('2024-02-15').endOf('month')", "2024-02-29T23:59:59.999+01:00"),
        # the changes of summer time
        ("DateTime.fromISO('2024-03-31T02:30')", "2024-03-31T03:30:00.000+02:00"),
        ("DateTime.fromISO('2024-10-27T02:30')", "2024-10-27T02:30:00.000+02:00"),
        ("DateTime.fromISO('2024-10-27T02:30').plus({hours: 1})", "2024-10-27T02:30:00.000+01:00"),
        ("DateTime.fromISO('2024-03-09T02:30', {zone: 'America/New_York'}).plus({days: 1})",
         "2024-03-10T03:30:00.000-04:00"),
        ("DateTime.fromISO('2024-06-01').isInDST", True),
        ("DateTime.fromISO('2024-12-01').isInDST", False),
        ("DateTime.fromISO('2150-07-01')", "2150-07-01T00:00:00.000+02:00"),
        # other zones
        ("DateTime.fromISO('2024-01-01').setZone('America/New_York')", "2023-12-31T18:00:00.000-05:00"),
        ("DateTime.fromISO('2024-01-01').setZone('Asia/Tokyo', {keepLocalTime: true})",
         "2024-01-01T00:00:00.000+09:00"),
        ("DateTime.fromISO('2024-01-01').setZone('UTC+5:30')", "2024-01-01T04:30:00.000+05:30"),
        ("DateTime.fromISO('2024-01-01').setZone($json.zone)", "2024-01-01T04:45:00.000+05:45"),
        ("`${DateTime.now().setZone('Mars/Olympus')}`", "Invalid DateTime"),
        ("DateTime.now().setZone('Mars/Olympus').invalidReason", "unsupported zone"),
        # reading
        ("DateTime.fromISO('2014-08-06').weekNumber", 32),
        ("DateTime.fromISO('2024-12-30').weekYear", 2025),
        ("DateTime.fromISO('2024-05-25').weekday", 6),
        ("DateTime.fromISO('2024-05-25').ordinal", 146),
        ("DateTime.fromISO('2024-05-25').quarter", 2),
        ("DateTime.fromISO('2024-02-01').daysInMonth", 29),
        ("DateTime.fromISO('2024-05-25').weekdayLong", "Saturday"),
        ("DateTime.fromISO('2024-05-25').toObject()",
         {"year": 2024, "month": 5, "day": 25, "hour": 0, "minute": 0, "second": 0, "millisecond": 0}),
        ("DateTime.fromISO('2024-05-25') < DateTime.fromISO('2024-05-26')", True),
        ("DateTime.max(DateTime.utc(2020), DateTime.utc(2021)).year", 2021),
        ("DateTime.fromISO('2024-05-25T10:00').hasSame(DateTime.fromISO('2024-05-25T23:00'), 'day')", True),
        # writing
        ("DateTime.fromISO('2024-05-05T13:07:09.008').toFormat(\"yyyy LLL dd, EEEE h:mm a ZZZZ z 'of' q\")",
         "2024 May 05, Sunday 1:07 PM GMT+2 Europe/Berlin of 2"),
        ("DateTime.fromISO('2024-05-05T13:07:09.008').toFormat('yy-M-d H:m:s.S hh SSS ZZ ZZZ o WW kkkk')",
         "24-5-5 13:7:9.8 01 008 +02:00 +0200 126 18 2024"),
        ("DateTime.fromISO('2024-05-05T13:07:09').toFormat('D | DD | DDD | DDDD | t | TT | ff')",
         "5/5/2024 | May 5, 2024 | May 5, 2024 | Sunday, May 5, 2024 | 1:07 PM | 13:07:09 | May 5, 2024, 1:07 PM"),
        ("DateTime.fromISO('2024-05-05T13:07:09').toISO({suppressMilliseconds: true})", "2024-05-05T13:07:09+02:00"),
        ("DateTime.fromISO('2024-05-05T13:07:09').toISO({includeOffset: false})", "2024-05-05T13:07:09.000"),
        ("DateTime.fromISO('2024-05-05T13:07:09').toISO({format: 'basic'})", "20240505T130709.000+0200"),
        ("DateTime.fromISO('2024-05-05T13:07:09').toISOTime()", "13:07:09.000+02:00"),
        ("DateTime.fromISO('2024-05-05').toISOWeekDate()", "2024-W18-7"),
        ("DateTime.fromISO('2024-06-01').toSQL()", "2024-06-01 00:00:00.000 +02:00"),
        ("DateTime.fromISO('2024-06-01').toRFC2822()", "Sat, 01 Jun 2024 00:00:00 +0200"),
        ("DateTime.fromISO('2024-06-01').toHTTP()", "Fri, 31 May 2024 22:00:00 GMT"),
        ("DateTime.fromISO('2024-06-01').toMillis()", 1717192800000),
        ("DateTime.fromISO('2024-06-01').toUnixInteger()", 1717192800),
        ("DateTime.fromISO('2024-06-01').toLocaleString()", "6/1/2024"),
        ("DateTime.fromISO('2024-06-01').toLocaleString(DateTime.DATE_FULL)", "June 1, 2024"),
        ("DateTime.fromISO('2024-01-29').toRelative({base: DateTime.fromISO('2024-02-01')})", "3 days ago"),
        ("DateTime.fromISO('2024-01-29').toRelativeCalendar({base: DateTime.fromISO('2024-01-30')})", "yesterday"),
        # differences, durations, intervals
        ("DateTime.fromISO('2024-01-01').diff(DateTime.fromISO('2023-11-15'), ['months', 'days']).toObject()",
         {"months": 1, "days": 17}),
        ("DateTime.fromISO('2024-03-31').diff(DateTime.fromISO('2024-02-29'), 'months').months", 1 + 48 / 743),
        ("DateTime.fromISO('2024-01-01').diff(DateTime.fromISO('2024-01-02')).toObject()", {"milliseconds": -86400000}),
        ("DateTime.fromISO('2024-04-01').diff(DateTime.fromISO('2024-03-31'), ['days', 'hours']).toObject()",
         {"days": 1, "hours": 0}),
        ("DateTime.fromISO('2024-04-01').diff(DateTime.fromISO('2024-03-31'), 'hours').hours", 23),
        ("Duration.fromISO('P1Y2M3DT4H5M6.5S').toObject()",
         {"years": 1, "months": 2, "days": 3, "hours": 4, "minutes": 5, "seconds": 6, "milliseconds": 500}),
        ("Duration.fromObject({hours: 2, minutes: 7})", "PT2H7M"),
        ("Duration.fromISO('PT1H30M').as('minutes')", 90),
        ("Duration.fromObject({hours: 1, minutes: 90}).normalize().toObject()", {"hours": 2, "minutes": 30}),
        ("Duration.fromObject({days: 400}).shiftTo('years', 'months', 'days').toObject()",
         {"years": 1, "months": 1, "days": 10}),
        ("Duration.fromMillis(5500000).toFormat('hh:mm:ss')", "01:31:40"),
        ("Duration.fromObject({days: 1, hours: 3}).toHuman()", "1 day, 3 hours"),
        ("Duration.fromMillis(0).toISO()", "PT0S"),
        ("Interval.fromDateTimes(DateTime.fromISO('2024-01-01'), DateTime.fromISO('2024-02-01')).length('days')", 31),
        ("Interval.fromISO('2024-01-01/P1W').contains(DateTime.fromISO('2024-01-05'))", True),
        ("Interval.fromISO('2024-01-01/P1W').splitBy({days: 3}).map(i => i.toISODate())",
         ["2024-01-01/2024-01-04", "2024-01-04/2024-01-07", "2024-01-07/2024-01-08"]),
        ("Interval.fromISO('2024-01-01/2024-01-05').intersection(Interval.fromISO('2024-01-03/2024-01-09')).toISODate()",
         "2024-01-03/2024-01-05"),
        # $now as a Date, as it was before
        ("[typeof $now.getTime(), $today.toISOString().length]", ["number", 24]),
    ],
)  # fmt: skip
def test_dates_are_those_of_luxon(expression: str, value: Any) -> None:
    assert resolved(expression, {"zone": "Asia/Kathmandu"}) == value


def test_now_and_today_are_in_the_time_zone_of_the_workflow() -> None:
    now = datetime.fromisoformat(resolved("$now", timezone="Asia/Tokyo"))
    assert now.utcoffset() == timedelta(hours=9)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
    today = datetime.fromisoformat(resolved("$today", timezone="Pacific/Kiritimati"))
    assert (today.utcoffset(), today.hour) == (timedelta(hours=14), 0)
    assert str(now.year) in resolved("$now.minus({days: 0}).toFormat('yyyy')", timezone="Asia/Tokyo")


def test_each_zone_has_the_offsets_of_the_time_zone_database() -> None:
    chance = random.Random(15)
    names = chance.sample(sorted(zone_names()), 120)
    moments = {name: [chance.uniform(-2.5e9, 4.2e9) for _ in range(6)] for name in names}
    moments["Europe/Dublin"] = moments["Asia/Gaza"] = moments["Africa/Casablanca"] = [n * 2.6e6 for n in range(1500)]
    items = [{"zone": zone, "moments": [int(each) for each in given]} for zone, given in moments.items()]
    evaluator = Evaluator(ExpressionScope(items), time_limit=10)
    source = "{{ $json.moments.map(s => Math.round(DateTime.fromSeconds(s, {zone: $json.zone}).offset * 60)) }}"
    for index, item in enumerate(items):
        zone = ZoneInfo(item["zone"])
        times = [(EPOCH + timedelta(seconds=s)).astimezone(zone) for s in item["moments"]]
        assert evaluator.resolve(source, index) == [(time.utcoffset() or timedelta()).total_seconds() for time in times]


def test_code_uses_zones_that_only_its_items_name() -> None:
    head = {
        "items": 2,
        "each": -1,
        "tolerant": False,
        "time_limit": 5,
        "memory_limit": 2**26,
        "output_limit": 2**20,
        "words": ["__items"],
    }
    code = "return $input.all().map(i => ({local: DateTime.fromISO('2024-07-01T00:00Z').setZone(i.json.zone).toISO()}))"
    items = [{"zone": "America/Sao_Paulo"}, {"zone": "Asia/Kolkata"}]
    parts = run_code([orjson.dumps(head | {"nodes": [], "surroundings": BERLIN}), code.encode(), orjson.dumps(items)])
    assert orjson.loads(parts[0])["error"] == ""
    assert [each["local"] for each in orjson.loads(parts[1])] == [
        "2024-06-30T21:00:00.000-03:00",
        "2024-07-01T05:30:00.000+05:30",
    ]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("DateTime.fromMillis('5')", "fromMillis requires a numerical input"),
        ("DateTime.now().plus({fortnights: 1})", "Invalid unit fortnights"),
        ("DateTime.fromISO('2024-01-01').startOf('century')", "Invalid unit century"),
        ("Duration.fromObject({hours: 'x'})", "Invalid unit value x"),
    ],
)
def test_wrong_use_is_an_error(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        resolved(expression)
