from django.db import migrations, models

import workflow_platform.core.translations.languages


def use_that_of_the_browser(apps, schema_editor):
    # English was the only choice, so no account has chosen it.
    apps.get_model("accounts", "User").objects.filter(language="en").update(language="")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_audit_and_removal")]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                choices=workflow_platform.core.translations.languages.language_choices,
                help_text="The language of pages and e-mails; empty: the browser's, and English in e-mails.",
                max_length=10,
            ),
        ),
        migrations.RunPython(use_that_of_the_browser, migrations.RunPython.noop, elidable=True),
    ]
