"""The languages of the pages: which one a request is answered in, and the catalogues of their texts.

Others use `languages.language_choices` and `languages.language_of`. Texts are marked with Django's `gettext`, in
templates with `{% translate %}`, and in the pages' modules with the `gettext` of `static/js/translations.js`.
"""
