import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("releases", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Judgement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for its audit"),
                            ("running", "is being audited"),
                            ("passed", "passed its audit"),
                            ("refused", "failed its audit"),
                            ("broken", "could not be audited"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("stage", models.CharField(blank=True, default="", max_length=100)),
                ("share", models.IntegerField(default=0)),
                ("asked_ms", models.BigIntegerField()),
                ("ended_ms", models.BigIntegerField(blank=True, null=True)),
                ("objections", models.JSONField(default=list)),
                ("undecided", models.JSONField(default=list)),
                ("counts", models.JSONField(default=dict)),
                ("report_sha256", models.CharField(blank=True, default="", max_length=64)),
                ("offer_by", models.CharField(blank=True, default="", max_length=200)),
                ("waived_by", models.CharField(blank=True, default="", max_length=200)),
                ("waived_why", models.CharField(blank=True, default="", max_length=500)),
                ("waived_ms", models.BigIntegerField(blank=True, null=True)),
                (
                    "release",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="judgement",
                        to="releases.release",
                    ),
                ),
            ],
        ),
    ]
