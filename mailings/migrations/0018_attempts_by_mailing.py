from django.apps.registry import Apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

STEP = 20_000


def fill(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """In steps, each committed: a ledger of years has many millions. Begun again, it goes on where it was killed."""
    attempts = apps.get_model("mailings", "Attempt").objects
    last = attempts.aggregate(last=models.Max("id"))["last"] or 0
    for start in range(0, last, STEP):
        with editor.connection.cursor() as cursor:
            cursor.execute(
                "UPDATE mailings_attempt SET mailing_id = (SELECT message.mailing_id FROM mailings_message AS message "
                "WHERE message.id = mailings_attempt.message_id) WHERE id > %s AND id <= %s AND mailing_id IS NULL",
                [start, start + STEP],
            )


class AddIndexBesideWork(AddIndexConcurrently):
    """No attempt waits until the index is built, and one that was half built when somebody killed this is replaced."""

    def database_forwards(
        self, app_label: str, editor: BaseDatabaseSchemaEditor, before: ProjectState, after: ProjectState
    ) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.index.name}")
            super().database_forwards(app_label, editor, before, after)
        else:
            editor.execute(f"DROP INDEX IF EXISTS {self.index.name}")
            migrations.AddIndex.database_forwards(self, app_label, editor, before, after)

    def database_backwards(
        self, app_label: str, editor: BaseDatabaseSchemaEditor, before: ProjectState, after: ProjectState
    ) -> None:
        if editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, editor, before, after)
        else:
            migrations.AddIndex.database_backwards(self, app_label, editor, before, after)


class Migration(migrations.Migration):
    # each step of `fill` for itself, and PostgreSQL builds an index beside other work outside a transaction only
    atomic = False

    dependencies = [
        ("mailings", "0017_attempts_of_a_mailing"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexBesideWork(
            model_name="attempt",
            index=models.Index(fields=["mailing", "outcome", "started_at", "id"], name="attempt_of_mailing"),
        ),
    ]
