"""Deliveries, attempts and inbound requests are counted as they are written. The totals begin with what is stored and
what retention has removed so far."""

from django.db import migrations, models

# The planner would scan a table that was empty when the session began; sessions last long.
COUNTING = """
CREATE FUNCTION webhooks_count_{what}() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO webhooks_deliverytotal AS t (backend, name, count)
  SELECT pg_backend_pid(), counted.name, counted.n FROM ({counted}) AS counted
  ON CONFLICT (backend, name) DO UPDATE SET count = t.count + EXCLUDED.count;
  RETURN NULL;
END $$;
CREATE TRIGGER count_totals AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION webhooks_count_{what}();
"""
DELIVERIES = """
SELECT CASE origin WHEN 'trace' THEN 'traces' ELSE 'webhooks' END || '_queued' AS name, count(*) AS n
FROM {added} GROUP BY 1
"""
ATTEMPTS = """
SELECT CASE a.origin WHEN 'trace' THEN 'traces' ELSE 'webhooks' END || '_' || kind.name AS name, count(*) AS n
FROM (
  SELECT outcome, number, (SELECT origin FROM webhooks_delivery d WHERE d.id = delivery_id) AS origin FROM {added}
) AS a
CROSS JOIN LATERAL (VALUES
  ('delivered', a.outcome = 'delivered'), ('failed', a.outcome = 'failed'), ('retried', a.number > 1)
) AS kind(name, applies)
WHERE kind.applies GROUP BY 1
"""
REQUESTS = "SELECT 'inbound_requests' AS name, count(*) AS n FROM {added} HAVING count(*) > 0"
COUNTED = (
    ("deliveries", "webhooks_delivery", DELIVERIES),
    ("attempts", "webhooks_deliveryattempt", ATTEMPTS),
    ("requests", "webhooks_inboundrequest", REQUESTS),
)
REMOVED = """
SELECT kind.name, kind.n FROM webhooks_removedtotals CROSS JOIN LATERAL (VALUES
  ('webhooks_queued', deliveries), ('webhooks_delivered', delivered), ('webhooks_failed', failed),
  ('webhooks_retried', retries), ('inbound_requests', inbound)
) AS kind(name, n)
"""


def count(apps, schema_editor):
    """Begin to count, then add what is there: the triggers' locks keep others from writing until the commit."""
    stored = [REMOVED]
    for what, table, statement in COUNTED:
        schema_editor.execute(COUNTING.format(what=what, table=table, counted=statement.format(added="added")))
        stored.append(statement.format(added=table))
    everything = " UNION ALL ".join(f"({statement})" for statement in stored)
    schema_editor.execute(
        "INSERT INTO webhooks_deliverytotal (backend, name, count)"
        f" SELECT 0, name, sum(n) FROM ({everything}) AS kinds GROUP BY name"
    )


def stop(apps, schema_editor):
    """Count no more. What retention has removed since is lost."""
    for what, table, _ in COUNTED:
        schema_editor.execute(f"DROP TRIGGER count_totals ON {table}; DROP FUNCTION webhooks_count_{what}()")


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0008_spans")]

    operations = [
        migrations.CreateModel(
            name="DeliveryTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "backend", "name", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "backend",
                    models.IntegerField(
                        help_text="The server process of the connection; 0: of those that have ended."
                    ),
                ),
                ("name", models.CharField(max_length=30)),
                ("count", models.PositiveBigIntegerField()),
            ],
        ),
        migrations.RunPython(count, stop),
        migrations.DeleteModel("RemovedTotals"),
    ]
