from django.db import migrations

# every three digits that follow each other; word for word as in clients.queries.PHONE_IN_THREES
THREES = ", ".join(f"substr(phone, {start}, 3)" for start in range(1, 10))


def create(apps, schema_editor):
    """Built in, unlike trigrams, which are an extension that a managed database may refuse. Without the list of
    pending entries, so that a search never reads what others have just imported.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE INDEX client_phone_in_threes ON clients_client USING gin ((ARRAY[{THREES}])) "
            "WITH (fastupdate = off)"
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX client_phone_in_threes")


class Migration(migrations.Migration):
    dependencies = [("clients", "0002_opted_out_and_zones")]

    operations = [migrations.RunPython(create, drop)]
