from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_people_keys_and_journal")]

    operations = [
        migrations.AddField("user", "invited_at", models.DateTimeField(editable=False, null=True)),
        migrations.RenameField("user", "last_login", "signed_in_at"),
        migrations.AlterField("user", "signed_in_at", models.DateTimeField(editable=False, null=True)),
    ]
