import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery


def keep_what_is_active(apps, schema_editor):
    """Each path that is active stays as it is, and its workspace has it from now on."""
    route, claim = apps.get_model("executions", "WebhookRoute"), apps.get_model("executions", "WebhookClaim")
    workflow = apps.get_model("executions", "Workflow")
    owner = workflow.objects.filter(pk=OuterRef("workflow")).values("workspace")
    route.objects.update(workspace=Subquery(owner), trigger_path=F("path"))
    claim.objects.bulk_create(
        [
            claim(route_id=path, workflow_id=workflow_id)
            for path, workflow_id in route.objects.values_list("path", "workflow")
        ],
        batch_size=1000,
    )


def drop_what_is_reserved(apps, schema_editor):
    """Before, there were only active paths."""
    apps.get_model("executions", "WebhookRoute").objects.filter(workflow__isnull=True).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0003_idempotency"),
        ("executions", "0007_waits_for_several_deliveries"),
    ]

    operations = [
        migrations.CreateModel(
            name="WebhookClaim",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
        ),
        migrations.AlterField(
            model_name="webhookroute",
            name="path",
            field=models.CharField(
                help_text="What follows /hooks/.", max_length=300, primary_key=True, serialize=False
            ),
        ),
        migrations.AlterField(
            model_name="webhookroute",
            name="node_id",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AlterField(
            model_name="webhookroute",
            name="workflow",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="routes", to="executions.workflow"
            ),
        ),
        migrations.AddField(
            model_name="webhookroute",
            name="trigger_path",
            field=models.CharField(default="", help_text="The path that its triggers name.", max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="webhookroute",
            name="workspace",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.workspace"
            ),
        ),
        migrations.AddField(
            model_name="webhookclaim",
            name="route",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="claims", to="executions.webhookroute"
            ),
        ),
        migrations.AddField(
            model_name="webhookclaim",
            name="workflow",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="claims", to="executions.workflow"
            ),
        ),
        migrations.RunPython(keep_what_is_active, drop_what_is_reserved),
        # The checks of the foreign keys that were just written, which would keep the table from being altered.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="webhookroute",
            name="workspace",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.workspace"),
        ),
        migrations.AddConstraint(
            model_name="webhookroute",
            constraint=models.UniqueConstraint(
                fields=["workspace", "trigger_path"], name="one_webhook_path_per_trigger_path"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookclaim",
            constraint=models.UniqueConstraint(fields=["route", "workflow"], name="one_claim_per_path_and_workflow"),
        ),
    ]
