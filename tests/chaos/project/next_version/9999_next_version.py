from pathlib import Path

from django.db import migrations, models

LAST = max(path.stem for path in Path(__file__).parent.glob("0*.py"))


class Migration(migrations.Migration):
    dependencies = [("vkteams_bot", LAST)]

    operations = [
        # NOT NULL with a default of the database: SQLite copies the whole table.
        migrations.AddField("update", "region", models.CharField(max_length=20, db_default="")),
        migrations.AddField("outgoingcall", "campaign", models.CharField(max_length=20, null=True)),
        migrations.AddIndex("outgoingcall", models.Index(fields=["campaign"], name="next_version_campaign")),
    ]
