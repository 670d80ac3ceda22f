"""Modules in templates: the import map, and the modules of a page with what they import.

{% import_map %}                    once, in the head
{% page_module "js/dashboard.js" %}   in place of a `<script type="module">`
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from workflow_platform.core.page_modules import page_modules

register = template.Library()

_LOADED = "page_modules.loaded"


@register.simple_tag
def import_map() -> SafeString:
    """Return the import map of the page's language, which the content policy allows by its hash."""
    text = page_modules().import_maps.get(get_language() or "")
    return mark_safe(f'<script type="importmap">{text}</script>') if text else SafeString()  # noqa: S308 - of file names


@register.simple_tag(takes_context=True)
def page_module(context: Context, name: str) -> SafeString:
    """Return the script of a module, and a preload of each module that it needs and no earlier tag has named.

    So the browser fetches all of them at once, instead of one after it has read the other."""
    rendering: dict[Any, Any] = context.render_context.dicts[-1]  # of the page, with its blocks and base
    loaded: set[str] = rendering.setdefault(_LOADED, set())
    modules, language = page_modules(), get_language() or ""
    needed = [each for each in modules.needed_by(name)[1:] if each not in loaded]
    loaded.update([name, *needed])
    urls = ((modules.url(each, language),) for each in needed)
    links = format_html_join("", '<link rel="modulepreload" href="{}">', urls)
    return format_html('{}<script type="module" src="{}"></script>', links, modules.url(name, language))
