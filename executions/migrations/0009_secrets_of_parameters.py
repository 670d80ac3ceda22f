"""Passwords and keys that stood in the parameters of postgres and crypto nodes become credentials, in every stored
workflow version: also in those that only old executions use, since all of them can be read."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.db import migrations, models

from workflow_platform.core.secrets import encryption
from workflow_platform.core.identifiers import uuid7

CHUNK = 200
TYPES = ("postgres", "crypto")
HOLDING = (
    "SELECT v.id, w.workspace_id, v.nodes::text FROM executions_workflowversion v"
    " JOIN executions_workflow w ON w.id = v.workflow_id"
    " WHERE v.nodes::jsonb @? '$[*] ? ((@.type == \"postgres\" && exists(@.parameters.connection))"
    " || (@.type == \"crypto\" && exists(@.parameters.secret)))' AND v.id > %s ORDER BY v.id LIMIT %s"
)
FIELDS = ("host", "port", "dbname", "user", "sslmode")
QUOTED = re.compile(r"""^\{\{\s*(['"`])((?:(?!\1)[^\\])*)\1\s*\}\}$""", re.DOTALL)
NAMED = re.compile(r"(password\s*=\s*)\S+", re.IGNORECASE)
URL = re.compile(r"^(\s*postgres(?:ql)?://[^/@]*?):(.*)@", re.DOTALL)


def literal(text: str) -> str:
    """Return the secret that a parameter is; "" where only an expression knows it."""
    quoted = QUOTED.match(text)
    if quoted:
        return quoted[2]
    return "" if "{{" in text else text


class Credentials:
    """The credentials of the upgrade: one for each secret of a workspace."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[uuid.UUID, dict[str, str]] = {}
        self._names: dict[uuid.UUID, set[str]] = {}

    def of(self, workspace: uuid.UUID, type_: str, fields: dict[str, Any], name: str) -> str:
        """Return the id of the workspace's credential that holds these fields; it is made if there is none."""
        if workspace not in self._known:
            self._load(workspace)
        known, key = self._known[workspace], json.dumps([type_, fields], sort_keys=True)
        if key not in known:
            known[key] = self._made(workspace, type_, fields, name)
        return known[key]

    def _load(self, workspace: uuid.UUID) -> None:
        known = self._known[workspace] = {}
        rows = self._model.objects.filter(workspace_id=workspace)
        self._names[workspace] = set(rows.values_list("name", flat=True))
        for row in rows.filter(type__in=TYPES):
            try:
                held = json.loads(encryption.decrypt(bytes(row.data)))
            except encryption.CannotDecrypt:
                continue
            if not row.allowed_hosts:  # one that may not go everywhere could break the node
                known[json.dumps([row.type, held["fields"]], sort_keys=True)] = str(row.pk)

    def _made(self, workspace: uuid.UUID, type_: str, fields: dict[str, Any], name: str) -> str:
        names, pk, number = self._names[workspace], uuid7(), 2
        own = name = name.replace("{{", "")[:90]
        while own in names:
            own, number = f"{name} {number}", number + 1
        names.add(own)
        self._model.objects.create(
            pk=pk,
            workspace_id=workspace,
            name=own,
            type=type_,
            description="Made by an upgrade: this stood in the parameters of a node.",
            data=encryption.encrypt(json.dumps({"credential": str(pk), "fields": fields}).encode()),
            key=encryption.current_key(),
            fields_set=sorted(each for each, value in fields.items() if value),
        )
        return str(pk)


def crypto(parameters: dict[str, Any], workspace: uuid.UUID, credentials: Credentials) -> bool:
    """Move the key of a crypto node. Returns whether there was one."""
    given = parameters.get("secret")
    secret = literal(given) if isinstance(given, str) else ""
    if not secret:
        return False
    del parameters["secret"]
    parameters["credential"] = credentials.of(workspace, "crypto", {"secret": secret}, "Crypto secret")
    return True


def postgres(parameters: dict[str, Any], workspace: uuid.UUID, credentials: Credentials) -> bool:
    """Move the password of a postgres node, with the whole login where it is written down. Returns whether there was
    one."""
    given = parameters.get("connection")
    connection: Any = from_url(given) if isinstance(given, str) else dict(given) if isinstance(given, dict) else {}
    if isinstance(given, str) and not connection and "{{" not in given and NAMED.search(given):
        parameters["connection"] = NAMED.sub(r"\1***", given)  # no node ever took a connection of this form
        return parameters["connection"] != given
    password = literal(str(connection.pop("password", None) or ""))
    if not password:
        return False
    fixed = all(is_fixed(connection.get(name)) for name in FIELDS)
    login = {"host": "", "port": 5432, "dbname": "", "user": "", "password": password, "sslmode": "prefer"}
    if fixed and connection.get("host"):
        login |= {name: connection[name] for name in FIELDS if connection.get(name)}
        login["port"] = int(login["port"])
        del parameters["connection"]
    else:
        parameters["connection"] = connection.get("url", connection)
    name = f"PostgreSQL {login['host']}/{login['dbname']}" if login["host"] else "PostgreSQL password"
    parameters["credential"] = credentials.of(workspace, "postgres", login, name)
    return True


def is_fixed(value: Any) -> bool:
    """Return whether a field of a connection is written down, as something that a credential can hold."""
    text = "" if value is None else str(value)
    return "{{" not in text and text.isprintable() and len(text) <= 253


def from_url(text: str) -> dict[str, Any]:
    """Return the fields of a URL; where an expression is in it, `url` (without the password) and `password`."""
    found = URL.match(text)
    if not found:
        return {}
    if "{{" in text:
        if "{{" in found[2] and not QUOTED.match(found[2]):
            return {}
        return {"url": f"{found[1]}@{text[found.end() :]}", "password": found[2], "host": "{{}}"}
    try:
        parts = urlsplit(text)
        query = dict(parse_qsl(parts.query))
        fields: dict[str, Any] = {
            "host": unquote(parts.hostname or ""),
            "port": parts.port or 5432,
            "dbname": unquote(parts.path.lstrip("/")),
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
        }
    except ValueError:  # it never worked; the password goes all the same
        return {"url": f"{found[1]}@{text[found.end() :]}", "password": found[2], "host": "{{}}"}
    return fields | ({"sslmode": query["sslmode"]} if "sslmode" in query else {})


MOVES = {"postgres": postgres, "crypto": crypto}


def moved(nodes: Any, workspace: uuid.UUID, credentials: Credentials) -> bool:
    """Move the secrets of a version's nodes. Returns whether there were any."""
    changed = False
    for node in nodes if isinstance(nodes, list) else []:
        move = MOVES.get(node.get("type")) if isinstance(node, dict) else None
        if move is not None and isinstance(node.get("parameters"), dict):
            changed = move(node["parameters"], workspace, credentials) or changed
    return changed


def move_secrets(apps: Any, schema_editor: Any) -> None:
    """Go over the versions that name a connection or a secret, some at a time."""
    credentials = Credentials(apps.get_model("executions", "Credential"))
    last = uuid.UUID(int=0)
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(HOLDING, [last, CHUNK])
            rows = cursor.fetchall()
            if not rows:
                return
            last, changed = rows[-1][0], []
            for pk, workspace, text in rows:
                nodes = json.loads(text)
                if moved(nodes, workspace, credentials):
                    changed.append((pk, json.dumps(nodes)))
            if changed:
                cursor.execute(
                    "UPDATE executions_workflowversion v SET nodes = n.nodes::jsonb"
                    " FROM unnest(%s::uuid[], %s::text[]) AS n (id, nodes) WHERE v.id = n.id",
                    [[pk for pk, _ in changed], [nodes for _, nodes in changed]],
                )


KNOWN = [
    ("basic", "Basic"),
    ("bearer", "Bearer token"),
    ("header", "Header"),
    ("query", "Query parameter"),
    ("oauth2_client_credentials", "OAuth2 client credentials"),
    ("webhook_secret", "Webhook signing secret"),
    ("postgres", "PostgreSQL"),
    ("crypto", "Crypto secret"),
]


class Migration(migrations.Migration):

    dependencies = [
        ("executions", "0008_webhook_paths_of_workspaces"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="credential", name="credential_type_is_known"),
        migrations.AlterField(
            model_name="credential", name="type", field=models.CharField(choices=KNOWN, max_length=40)
        ),
        migrations.AddConstraint(
            model_name="credential",
            constraint=models.CheckConstraint(
                condition=models.Q(("type__in", [name for name, _ in KNOWN])), name="credential_type_is_known"
            ),
        ),
        migrations.RunPython(move_secrets, migrations.RunPython.noop, elidable=True),
    ]
