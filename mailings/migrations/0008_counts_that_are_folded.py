import django.db.models.deletion
from django.db import migrations, models

# the messages are counted once; by minute they cannot be, so that comes from the tally. No worker may run meanwhile.
FOLD = [
    "INSERT INTO mailings_standing (mailing_id, state, reason, number) "
    "SELECT mailing_id, state, reason, COUNT(*) FROM mailings_message GROUP BY mailing_id, state, reason",
    "INSERT INTO mailings_minute (mailing_id, state, minute, number) "
    "SELECT mailing_id, state, minute, SUM(delta) FROM mailings_tally GROUP BY mailing_id, state, minute",
    *(
        "INSERT INTO mailings_breakdown (mailing_id, dimension, value, state, number) "
        f"SELECT mailing_id, '{dimension}', {dimension}, state, COUNT(*) FROM mailings_message "
        f"GROUP BY mailing_id, {dimension}, state"
        for dimension in ("operator_code", "tag", "timezone")
    ),
    "DELETE FROM mailings_tally",
]
# back: the sums by minute under one reason, then the reasons in the first minute, with a sum of 0 for each state
FIRST = "(SELECT MIN(minute) FROM mailings_minute WHERE mailing_id = mailings_standing.mailing_id)"
COLUMNS = "mailings_tally (mailing_id, minute, state, reason, delta, parts)"
UNFOLD = [
    f"INSERT INTO {COLUMNS} SELECT mailing_id, minute, state, 'turn', number, '' FROM mailings_minute",
    f"INSERT INTO {COLUMNS} SELECT mailing_id, {FIRST}, state, reason, number, '' FROM mailings_standing",
    f"INSERT INTO {COLUMNS} SELECT mailing_id, {FIRST}, state, 'turn', -number, '' FROM mailings_standing",
]


def fold(apps, schema_editor):
    for statement in FOLD:
        schema_editor.execute(statement)


def unfold(apps, schema_editor):
    for statement in UNFOLD:
        schema_editor.execute(statement)
    if schema_editor.connection.vendor == "postgresql":  # the table is altered next, which waits for no checks
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def mailing():
    return models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailings.mailing"
    )


def key():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0007_sums_of_pulses"),
    ]

    operations = [
        migrations.CreateModel(
            name="Standing",
            fields=[
                ("id", key()),
                ("state", models.CharField(max_length=10)),
                ("reason", models.CharField(max_length=20)),
                ("number", models.BigIntegerField()),
                ("mailing", mailing()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("mailing", "state", "reason"), name="standing_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Minute",
            fields=[
                ("id", key()),
                ("state", models.CharField(max_length=10)),
                ("minute", models.DateTimeField()),
                ("number", models.BigIntegerField()),
                ("mailing", mailing()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("mailing", "state", "minute"), name="minute_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Breakdown",
            fields=[
                ("id", key()),
                ("dimension", models.CharField(max_length=13)),
                ("value", models.CharField(blank=True, max_length=64)),
                ("state", models.CharField(max_length=10)),
                ("number", models.BigIntegerField()),
                ("mailing", mailing()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("mailing", "dimension", "value", "state"), name="breakdown_once"
                    )
                ],
            },
        ),
        migrations.RemoveIndex(model_name="tally", name="tally_of_mailing"),
        migrations.AddField(
            model_name="tally", name="parts", field=models.TextField(default=""), preserve_default=False
        ),
        migrations.AddIndex(model_name="tally", index=models.Index(fields=["mailing"], name="tally_of_mailing")),
        migrations.RunPython(fold, unfold),
    ]
