"""Numbers and dates in locales, URLs and bytes: what QuickJS lacks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from babel.localedata import locale_identifiers

from executions.domain.expressions import Evaluator, ExpressionError, ExpressionScope
from executions.domain.words import MOST_LOCALES
from executions.sandbox.evaluation import run as run_code

BERLIN = {"timezone": "Europe/Berlin"}


def resolved(expression: str, **item: Any) -> Any:
    return Evaluator(ExpressionScope([item], surroundings=BERLIN)).resolve(f"{{{{ {expression} }}}}")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(1234567.891).toLocaleString()", "1,234,567.891"),
        ("(1234.5).toLocaleString('fr-FR')", "1\u202f234,5"),
        ("[(1234).toLocaleString('es-ES'), (12345).toLocaleString('es-ES')]", ["1234", "12.345"]),
        ("(1234567.5).toLocaleString('en-IN')", "12,34,567.5"),
        ("(1234.5).toLocaleString('de-CH')", "1'234.5"),
        ("(1234.5).toLocaleString('ar-EG')", "١٬٢٣٤٫٥"),
        ("(123456.789).format('de-DE', {style: 'currency', currency: 'EUR'})", "123.456,79\u00a0€"),
        ("(-5).toLocaleString('en-US', {style: 'currency', currency: 'USD'})", "-$5.00"),
        ("(-5).toLocaleString('en-US', {style: 'currency', currency: 'USD', currencySign: 'accounting'})", "($5.00)"),
        ("(5.4).toLocaleString('en-US', {style: 'currency', currency: 'JPY'})", "¥5"),
        ("(5.5).toLocaleString('en-US', {style: 'currency', currency: 'CHF'})", "CHF\u00a05.50"),
        ("(0.256).toLocaleString('de-DE', {style: 'percent', minimumFractionDigits: 1})", "25,6\u00a0%"),
        ("(1.005).toLocaleString('en-US', {maximumFractionDigits: 2})", "1.01"),
        ("(99.999).toLocaleString('en-US', {maximumFractionDigits: 1})", "100"),
        ("(0.000123456).toLocaleString('en-US', {maximumSignificantDigits: 3})", "0.000123"),
        ("(123456).toLocaleString('en-US', {maximumSignificantDigits: 2})", "120,000"),
        ("(1e21).toLocaleString('en-US')", "1,000,000,000,000,000,000,000"),
        ("(1234567.891).toLocaleString('fr-CH', {style: 'currency', currency: 'CHF'})", "1'234'567.89\u00a0CHF"),
        ("[(12345.5).toLocaleString('fr-CH'), (12345.5).toLocaleString('de-AT')]", ["12'345,5", "12.345,5"]),
        ("[(0).toLocaleString(), (-0.0001).toLocaleString(), NaN.toLocaleString()]", ["0", "-0", "NaN"]),
        ("(1234).toLocaleString('en-US', {useGrouping: false, signDisplay: 'always'})", "+1234"),
        ("$json.tags.map(tag => (1.5).toLocaleString(tag))", ["1,5", "1.5"]),
        ("(1.5).toLocaleString('de-AT-u-nu-latn')", "1,5"),
        # dates are in the zone of the workflow
        ("new Date('2024-01-31T23:30:00Z').toLocaleDateString('de-DE')", "1.2.2024"),
        ("new Date('2024-01-31T13:05:09Z').toLocaleString('en-US')", "1/31/2024, 2:05:09 PM"),
        ("new Date('2024-01-31T13:05:09Z').toLocaleString('en-GB', {timeZone: 'Asia/Tokyo'})", "31/01/2024, 22:05:09"),
        ("new Date(0).toLocaleDateString('es', {weekday: 'long', year: 'numeric', month: 'long', day: 'numeric'})",
         "jueves, 1 de enero de 1970"),
        ("new Date(0).toLocaleDateString('de-DE', {month: 'short', day: '2-digit', year: 'numeric'})", "01. Jan. 1970"),
        ("new Date(0).toLocaleTimeString('en-US', {hour: '2-digit', minute: '2-digit'})", "01:00 AM"),
        ("new Date(0).toLocaleString('de', {dateStyle: 'long', timeStyle: 'short'})", "1. Januar 1970 um 01:00"),
        ("new Date(0).toLocaleDateString('de', {weekday: 'short'})", "Do"),
        ("[new Date(0).toLocaleString('fr-CA'), new Date(0).toLocaleTimeString('en-CA')]",
         ["1970-01-01 01 h 00 min 00 s", "1:00:00 a.m."]),
        ("[new Date(0).toLocaleTimeString('ru'), new Date(0).toLocaleTimeString('es')]", ["01:00:00", "1:00:00"]),
        ("new Date(0).toLocaleString('th-TH')", "1/1/2513 01:00:00"),
        ("['short', 'medium', 'long', 'full'].map(style => new Date(0).toLocaleDateString('th', {dateStyle: style}))",
         ["1/1/13", "1 ม.ค. 2513", "1 มกราคม 2513", "วันพฤหัสบดีที่ 1 มกราคม พ.ศ. 2513"]),
        ("new Date(0).toLocaleDateString('th', {weekday: 'long', year: 'numeric', month: 'long', day: 'numeric'})",
         "วันพฤหัสบดีที่ 1 มกราคม 2513"),
        ("new Date(0).toLocaleDateString('th-TH', {year: 'numeric'})", "พ.ศ. 2513"),
        ("new Date(0).toLocaleDateString('th-TH-u-ca-gregory')", "1/1/1970"),
        ("DateTime.fromISO('2024-03-05').setLocale('th').toFormat('yyyy')", "2024"),
        ("[new Date(0).toLocaleTimeString('fa-IR'), new Date(0).toLocaleDateString('fa-IR-u-ca-gregory')]",
         ["۱:۰۰:۰۰", "۱۹۷۰/۱/۱"]),
        ("new Date(NaN).toLocaleString()", "Invalid Date"),
        ("new Intl.DateTimeFormat('en-US', {timeZone: 'Asia/Tokyo', hour: 'numeric', hour12: false}).format(0)", "09"),
        ("Intl.DateTimeFormat().resolvedOptions().timeZone", "Europe/Berlin"),
        ("Intl.DateTimeFormat('en-GB').formatToParts(0).map(part => part.type)",
         ["day", "literal", "month", "literal", "year"]),
        ("DateTime.fromISO('2024-03-05T13:07').setLocale('de').toLocaleString(DateTime.DATETIME_FULL)",
         "5. März 2024 um 13:07 GMT+1"),
        ("DateTime.fromFormat('5 März 2024', 'd MMMM yyyy', {locale: 'de'}).toISODate()", "2024-03-05"),
        # order
        ("['B', 'a', 'Ä', 'z', 'ä', '10', '2', '-'].sort((a, b) => a.localeCompare(b))",
         ["-", "10", "2", "a", "ä", "Ä", "B", "z"]),
        ("['a10', 'a9'].sort(new Intl.Collator('en', {numeric: true}).compare)", ["a9", "a10"]),
        ("'a'.localeCompare('Á', 'en', {sensitivity: 'base'})", 0),
    ],
)  # fmt: skip
def test_formats_are_those_of_the_locale(expression: str, value: Any) -> None:
    assert resolved(expression, tags=["fr", "en"]) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[0, 1.234, 999, 1500, 12345, 999999, -1234567].map(n => n.toLocaleString('en-US', {notation: 'compact'}))",
         ["0", "1.2", "999", "1.5K", "12K", "1M", "-1.2M"]),
        ("(1234567).toLocaleString('de-DE', {notation: 'compact', compactDisplay: 'long'})", "1,2 Millionen"),
        ("[12345, 1e6].map(n => n.toLocaleString('de-DE', {notation: 'compact', compactDisplay: 'long'}))",
         ["12 Tausend", "1 Million"]),
        ("(1234567).toLocaleString('ja-JP', {notation: 'compact'})", "123万"),
        ("(50).toLocaleString('en-US', {style: 'unit', unit: 'kilometer-per-hour'})", "50 km/h"),
        ("[1, 2.5].map(n => n.toLocaleString('de-DE', {style: 'unit', unit: 'day', unitDisplay: 'long'}))",
         ["1 Tag", "2,5 Tage"]),
        ("(3).toLocaleString('en-US', {style: 'unit', unit: 'megabyte-per-second', unitDisplay: 'narrow'})", "3MB/s"),
        ("(2).toLocaleString('en-US', {style: 'currency', currency: 'USD', currencyDisplay: 'name'})",
         "2.00 US dollars"),
        ("[0, 1, 2, 5, 21, 1.5].map(n => new Intl.PluralRules('ru').select(n))",
         ["many", "one", "few", "many", "one", "other"]),
        ("[1, 2, 3, 4, 11, 21].map(n => new Intl.PluralRules('en', {type: 'ordinal'}).select(n))",
         ["one", "two", "few", "other", "other", "one"]),
        ("new Intl.PluralRules('en', {minimumFractionDigits: 1}).select(1)", "other"),
        ("new Intl.ListFormat('en').format(['a', 'b', 'c'])", "a, b, and c"),
        ("new Intl.ListFormat('de', {type: 'disjunction'}).format(['a', 'b'])", "a oder b"),
        ("[-1, 0, 1, 3].map(n => new Intl.RelativeTimeFormat('de', {numeric: 'auto'}).format(n, 'days'))",
         ["gestern", "heute", "morgen", "in 3 Tagen"]),
        ("new Intl.RelativeTimeFormat('pl').format(-5, 'month')", "5 miesięcy temu"),
        ("DateTime.utc(2024).setLocale('fr').toRelative({base: DateTime.utc(2024, 1, 4)})", "il y a 3 jours"),
        ("DateTime.utc(2024).toRelativeCalendar({locale: 'es', base: DateTime.utc(2024, 1, 2)})", "ayer"),
        ("Duration.fromObject({hours: 1, minutes: 30}, {locale: 'de'}).toHuman()", "1 Stunde und 30 Minuten"),
        ("[$json.tag, 'en'].map(tag => new Intl.PluralRules(tag).select(0))", ["one", "other"]),
    ],
)  # fmt: skip
def test_words_are_those_of_the_locale(expression: str, value: Any) -> None:
    """The values are those of ICU 78."""
    assert resolved(expression, tag="fr") == value


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(5).toLocaleString('xx-YY')", 'there is no locale "xx-YY"'),
        ("(5).toLocaleString($json.tag)", 'there is no locale "nonsense"'),
        ("(5).toLocaleString('en', {notation: 'scientific'})", 'the notation "scientific" of numbers is not available'),
        ("(5).toLocaleString('en', {style: 'unit', unit: 'parsec'})", 'there is no unit "parsec"'),
        (
            "(5).toLocaleString('en', {style: 'currency', currency: 'USD', notation: 'compact'})",
            'not available for the style "currency"',
        ),
        ("(5).toLocaleString('en', {notation: $json.notation})", "write the options notation"),
        ("new Intl.ListFormat('de', {type: 'unit'}).format(['a'])", "lists of the type unit are not available"),
        ("new Intl.ListFormat('de').format([1])", "needs a list of texts"),
        ("new Intl.RelativeTimeFormat('de').format(1, 'decade')", 'not "decade"'),
        ("new Intl.DisplayNames(['en'], {type: 'region'})", "Intl.DisplayNames is not available"),
        ("(5).toLocaleString('en', {style: 'currency'})", "needs a currency such as EUR"),
        ("new Date(0).toLocaleString('en', {timeZone: 'Mars/Olympus'})", 'there is no time zone "Mars/Olympus"'),
        (
            "new Date(0).toLocaleString('fa-IR')",
            'in the calendar "persian" are not available; for Gregorian dates, use',
        ),
        ("DateTime.utc(2024, 1, 1).setLocale('fa').toLocaleString()", 'the calendar "persian" are not available'),
        ("new Date(0).toLocaleDateString('ar-u-ca-islamic')", 'the calendar "islamic" are not available'),
        ("new Date(0).toLocaleDateString('en', {calendar: 'hebrew'})", 'the calendar "hebrew" are not available'),
        ("new Date(0).toLocaleString('en', {dateStyle: 'huge'})", 'not "huge"'),
    ],
)
def test_what_is_not_available_is_an_error(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        resolved(expression, tag="nonsense", notation="compact")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("new URL('https://user:pa%20ss@Example.com:443/a/../b c/./d?x=1&y=a b#frag').href",
         "https://user:pa%20ss@example.com/b%20c/d?x=1&y=a%20b#frag"),
        ("new URL('http://bücher.de/ü').href", "http://xn--bcher-kva.de/%C3%BC"),
        ("new URL('?a', 'https://x.org/p?b#c').href", "https://x.org/p?a"),
        ("new URL('//h.org/p', 'https://x.org').href", "https://h.org/p"),
        ("new URL('mailto:a@b.org').pathname", "a@b.org"),
        ("new URL('http://[::1]:8080').host", "[::1]:8080"),
        ("(u => { u.searchParams.append('a b', 'c&d'); u.hash = 'z'; u.port = '8443'; return `${u}`; })"
         "(new URL('https://e.com/p'))", "https://e.com:8443/p?a+b=c%26d#z"),
        ("(u => { u.search = '?q=1'; return u.searchParams.get('q'); })(new URL('https://e.com'))", "1"),
        ("Object.fromEntries(new URLSearchParams('?a=1&b=%C3%A9+x&b=2'))", {"a": "1", "b": "2"}),
        ("new URLSearchParams([['a', 1], ['a', 2]]).getAll('a')", ["1", "2"]),
        ("[URL.canParse('https://x.org'), URL.canParse('x')]", [True, False]),
        ("Buffer.from('aGk', 'base64url').toString('hex')", "6869"),
        ("Buffer.concat([Buffer.from('a'), Buffer.from([98, 99])]).slice(1).toString()", "bc"),
        ("[Buffer.byteLength('é'), Buffer.from('é').equals(Buffer.from('c3a9', 'hex'))]", [2, True]),
        ("Buffer.from([0xf0, 0x9f, 0x98]).toString() + Buffer.from('ab').toString('base64')", "\ufffdYWI="),
        ("Buffer.from('ab')", {"type": "Buffer", "data": [97, 98]}),
        ("structuredClone(new Map([['a', {b: 1}]])).get('a')", {"b": 1}),
        ("(o => { o.self = o; return structuredClone(o).self.self.n; })({n: 1})", 1),
    ],
)  # fmt: skip
def test_urls_and_bytes_are_those_of_node(expression: str, value: Any) -> None:
    assert resolved(expression) == value


TAGS = sorted(tag.replace("_", "-") for tag in locale_identifiers() if len(tag) == 5)
SHOWN = "(1234.5).toLocaleString(tag)"


def ran(code: str, tags: list[str]) -> tuple[str, Any]:
    """Run code for items with a tag each. Returns the error and what the code returned."""
    head = {"items": 2, "each": -1, "time_limit": 5, "memory_limit": 2**26, "output_limit": 2**20, "words": ["__items"]}
    head |= {"tolerant": False, "nodes": [], "surroundings": BERLIN}
    parts = run_code([orjson.dumps(head), code.encode(), orjson.dumps([{"tag": tag} for tag in tags])])
    return orjson.loads(parts[0])["error"], orjson.loads(parts[1])


def test_code_uses_all_locales_that_only_its_items_name() -> None:
    code = (
        "return $input.all().map(i => i.json.tag).map(tag => ({tag: Intl.NumberFormat(tag).resolvedOptions().locale}))"
    )
    tags = ["de", "fr", "en-GB", "nl", "da", "fi", "cs", "it"] * 2
    assert ran(code, tags) == ("", [{"tag": tag} for tag in tags])
    texts = f"return $input.all().map(i => i.json.tag).map(tag => ({{text: {SHOWN}}}))"
    assert ran(texts, ["de", "fr"]) == ("", [{"text": "1.234,5"}, {"text": "1\u202f234,5"}])
    assert ran(code, ["de", "fr", "nonsense"])[0].startswith('RangeError: there is no locale "nonsense"')


def test_a_node_can_use_many_locales_and_the_error_says_how_many() -> None:
    most = [tag for tag in TAGS if tag != "en-US"][: MOST_LOCALES - 1]
    code = f"return $input.all().map(i => i.json.tag).map(tag => ({{text: {SHOWN}}}))"
    scope = f"$json.tags.map(tag => {SHOWN})"
    error, found = ran(code, most)
    assert (error, len(found)) == ("", MOST_LOCALES - 1)
    assert resolved(scope, tags=most) == [each["text"] for each in found]
    said = f'the locale "{TAGS[-1]}" is one too many: a node can use at most {MOST_LOCALES} locales for its values'
    assert said in ran(code, [*most, TAGS[-1]])[0]
    with pytest.raises(ExpressionError, match=said):
        resolved(scope, tags=[*most, TAGS[-1]])
