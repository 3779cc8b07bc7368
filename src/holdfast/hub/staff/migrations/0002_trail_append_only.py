"""The database itself refuses to change or delete a line of the audit trail."""

from django.db import migrations

FORBID = {
    "sqlite": (
        """CREATE TRIGGER staff_entry_no_update BEFORE UPDATE ON staff_entry
           BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
        """CREATE TRIGGER staff_entry_no_delete BEFORE DELETE ON staff_entry
           BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION staff_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END$$""",
        """CREATE TRIGGER staff_entry_append_only
           BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_entry
           FOR EACH STATEMENT EXECUTE FUNCTION staff_entry_refuse()""",
    ),
}
ALLOW = {
    "sqlite": ("DROP TRIGGER staff_entry_no_update", "DROP TRIGGER staff_entry_no_delete"),
    "postgresql": (
        "DROP TRIGGER staff_entry_append_only ON staff_entry",
        "DROP FUNCTION staff_entry_refuse()",
    ),
}


def forbid(apps, schema_editor):
    for statement in FORBID[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def allow(apps, schema_editor):
    for statement in ALLOW[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("staff", "0001_initial")]
    operations = [migrations.RunPython(forbid, allow)]
