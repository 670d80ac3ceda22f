"""Times that templates write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from django.utils import translation

from workflow_platform.templatetags.moments import ago, moment, with_moments

AT = datetime(2026, 11, 30, 19, 1, 10, 512_345, timezone(timedelta(hours=1)))


def test_a_moment_says_its_zone_and_how_the_page_shows_it() -> None:
    assert moment(AT) == ('<time datetime="2026-11-30T18:01:10.512345+00:00" data-at="minute">Nov 30, 18:01 UTC</time>')
    assert moment(AT.isoformat(), "stamp").endswith('data-at="stamp">Nov 30, 18:01:10.512 UTC</time>')
    assert ago(AT.astimezone(UTC), "due").endswith('data-ago="due">Nov 30, 18:01 UTC</time>')
    assert moment(None) == ago("") == ""


def test_times_inside_a_text_become_elements_and_the_rest_is_escaped() -> None:
    text = with_moments("<b> is paused (since 2026-11-30 18:01:10 UTC). Resume it.")
    assert text == (
        "&lt;b&gt; is paused (since "
        '<time datetime="2026-11-30T18:01:10+00:00" data-at="second">Nov 30, 18:01:10 UTC</time>'
        "). Resume it."
    )
    assert with_moments(None) == ""


def test_moments_are_in_the_language_of_the_page() -> None:
    with translation.override("de"):
        assert ">30. Nov., 18:01 UTC<" in moment(AT)
        assert ">30. Nov. 2026 UTC<" in moment(AT, "day")
        assert ">30. Nov. 2026, 18:01:10.512 UTC<" in moment(AT, "full")
        assert ">3. Mai, 18:01 UTC<" in moment(AT.replace(month=5, day=3))
