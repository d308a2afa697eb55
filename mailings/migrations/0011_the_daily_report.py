import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0010_sums_by_quarter"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("day", models.DateField(unique=True)),
                ("timezone", models.CharField(max_length=64)),
                ("numbers", models.JSONField()),
                ("made_at", models.DateTimeField()),
                ("posted_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("language", models.CharField(choices=[("en", "English"), ("ru", "Russian")], max_length=2)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="subscription",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("address", models.EmailField(max_length=254)),
                ("language", models.CharField(max_length=2)),
                ("occasion", models.CharField(choices=[("daily", "Daily"), ("by_hand", "By hand")], max_length=8)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waits"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("failed", "Refused"),
                            ("unknown", "Unknown"),
                            ("expired", "Given up"),
                        ],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("due_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("attempts", models.IntegerField(default=0)),
                ("token", models.BigIntegerField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("handed_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("detail", models.CharField(blank=True, max_length=512)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="letters", to="mailings.report"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "sending"])),
                        fields=["state", "due_at"],
                        name="letter_at_work",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("occasion", "daily")),
                        fields=("report", "address"),
                        name="letter_once_a_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["queued", "sending", "sent", "failed", "unknown", "expired"])
                        ),
                        name="letter_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("lease_until__isnull", False), ("state", "sending"), ("token__isnull", False)
                            ),
                            models.Q(models.Q(("state", "sending"), _negated=True), ("lease_until", None)),
                            _connector="OR",
                        ),
                        name="letter_lease_while_sending",
                    ),
                ],
            },
        ),
    ]
