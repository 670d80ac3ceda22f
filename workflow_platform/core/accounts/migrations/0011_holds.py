"""The kind of audit entries for answers to held node runs."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ('accounts', '0010_audit_of_advice'),
    ]

    operations: ClassVar = [
        migrations.RemoveConstraint(
            model_name='auditentry',
            name='audit_kind_is_known',
        ),
        migrations.AlterField(
            model_name='auditentry',
            name='kind',
            field=models.CharField(choices=[('workspace.created', 'Workspace created'), ('workspace.renamed', 'Workspace renamed'), ('workspace.deleted', 'Workspace deleted'), ('member.added', 'Member added'), ('member.removed', 'Member removed'), ('member.left', 'Member left'), ('member.role_changed', 'Role changed'), ('invitation.created', 'Invitation created'), ('invitation.renewed', 'Invitation renewed'), ('invitation.revoked', 'Invitation revoked'), ('token.created', 'API token created'), ('token.revoked', 'API token revoked'), ('password.changed', 'Password changed'), ('sign_in.failed', 'Sign-in failed'), ('hold.answered', 'Held node run answered'), ('admin.added', 'Added in the admin site'), ('admin.changed', 'Changed in the admin site'), ('admin.deleted', 'Deleted in the admin site'), ('admin.action', 'Action in the admin site'), ('advice.applied', 'Advice applied'), ('advice.undone', 'Advice undone'), ('advice.dismissed', 'Advice dismissed'), ('advice.automation', 'Automatic advice changed')], editable=False, max_length=30),
        ),
        migrations.AddConstraint(
            model_name='auditentry',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['workspace.created', 'workspace.renamed', 'workspace.deleted', 'member.added', 'member.removed', 'member.left', 'member.role_changed', 'invitation.created', 'invitation.renewed', 'invitation.revoked', 'token.created', 'token.revoked', 'password.changed', 'sign_in.failed', 'hold.answered', 'admin.added', 'admin.changed', 'admin.deleted', 'admin.action', 'advice.applied', 'advice.undone', 'advice.dismissed', 'advice.automation'])), name='audit_kind_is_known'),
        ),
    ]
