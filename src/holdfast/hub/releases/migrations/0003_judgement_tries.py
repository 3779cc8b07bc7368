from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("releases", "0002_judgement"),
    ]

    operations = [
        migrations.AddField(
            model_name="judgement",
            name="tries",
            field=models.IntegerField(default=0),
        ),
    ]
