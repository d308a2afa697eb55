from django.db import migrations
from django.db.models import Sum
from django.db.models.functions import Coalesce


def add_up(apps, schema_editor):
    """What has been summed up per minute is in no total yet; what has not will be added when it is."""
    RequestTotal, Pulse = apps.get_model("mailings", "RequestTotal"), apps.get_model("mailings", "Pulse")
    sums = Pulse.objects.filter(is_sum=True).annotate(status=Coalesce("http_status", 0)).order_by()
    sums = sums.values_list("cause", "status", "latency_ms").annotate(all=Sum("number"))
    RequestTotal.objects.bulk_create(
        RequestTotal(cause=cause, http_status=status, latency_ms=latency_ms, number=number)
        for cause, status, latency_ms, number in sums
    )


class Migration(migrations.Migration):
    dependencies = [("mailings", "0012_totals_of_requests")]

    # backwards there is nothing to do: the step before takes the table away
    operations = [migrations.RunPython(add_up, migrations.RunPython.noop)]
