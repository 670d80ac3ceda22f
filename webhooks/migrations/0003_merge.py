from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_delivery_order"), ("webhooks", "0002_idempotency_keys")]

    operations = []
