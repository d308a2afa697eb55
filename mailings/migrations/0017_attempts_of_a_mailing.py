import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailings", "0016_how_late_a_mailing_started"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="mailing",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="mailings.mailing",
            ),
        ),
    ]
