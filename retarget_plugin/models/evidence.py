"""The database itself refuses to rewrite a consent record: no code, no console and no query of ours can do it by mistake."""

from __future__ import annotations

from django.db import connections

from .consent import ConsentRecord

TABLE = ConsentRecord._meta.db_table
NAME = "retarget_evidence"
#: What was said. A record may come to belong to somebody else (a merge), and lose its personal data (an erasure).
FIXED = ("channel", "purpose", "state", "wording_version", "is_confirmed", "at")
#: May be emptied, and never written anew.
ERASABLE = {"wording": "''", "source": "''", "proof": "'{}'"}
REFUSAL = "a consent record is evidence and never changes"


def guard(using: str) -> None:
    """Make sure that the database behind `using` guards the table, where there is one. Other vendors rely on the model.

    After every `migrate`, and not in a migration: SQLite loses a trigger whenever a later migration rebuilds the table.
    """
    connection = connections[using]
    statements = {"postgresql": _on_postgresql, "sqlite": _on_sqlite}.get(connection.vendor)
    if statements is None:
        return
    with connection.cursor() as cursor:
        exists = TABLE in connection.introspection.table_names(cursor)
        for statement in statements(exists):
            cursor.execute(statement)


def _on_postgresql(exists: bool) -> list[str]:
    if not exists:
        return [f"DROP FUNCTION IF EXISTS {NAME}()"]
    function = f"""
        CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
    """
    trigger = f"""
        CREATE OR REPLACE TRIGGER {NAME} BEFORE UPDATE ON {TABLE} FOR EACH ROW
        WHEN ({_is_rewritten("IS DISTINCT FROM", cast="::text")}) EXECUTE FUNCTION {NAME}()
    """
    return [function, trigger]


def _on_sqlite(exists: bool) -> list[str]:
    if not exists:
        return []
    trigger = f"""
        CREATE TRIGGER IF NOT EXISTS {NAME} BEFORE UPDATE ON {TABLE} FOR EACH ROW
        WHEN {_is_rewritten("IS NOT", cast="")} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
    """
    return [trigger]


def _is_rewritten(differs: str, *, cast: str) -> str:
    fixed = [f'OLD."{column}" {differs} NEW."{column}"' for column in FIXED]
    erasable = [
        f'(OLD."{column}" {differs} NEW."{column}" AND NEW."{column}"{cast} {differs} {empty})'
        for column, empty in ERASABLE.items()
    ]
    return " OR ".join(fixed + erasable)
