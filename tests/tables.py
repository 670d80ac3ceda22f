"""The tables after a test that commits: they hold again what migrations put there, and nothing else.

Django truncates every table with its indexes and loads the rows of migrations from JSON; with 60 tables and 260 indexes
that takes longer than most tests. Here one statement cleans the tables that have been written to. It waits for
transactions that are still open, as TRUNCATE does, so that their rows go too.
"""

from __future__ import annotations

from unittest import mock

from django.db import connection
from django.test import TransactionTestCase

_REMEMBER = """
CREATE SCHEMA as_migrated;
DO $$
DECLARE filled text; has_rows boolean;
BEGIN
    FOR filled IN
        SELECT relname FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('SELECT EXISTS (TABLE public.%I)', filled) INTO has_rows;
        IF has_rows THEN
            EXECUTE format('CREATE TABLE as_migrated.%1$I AS TABLE public.%1$I', filled);
        END IF;
    END LOOP;
END $$;
-- A table without a file of some size has not been written to. Foreign keys are not looked at: all sides are cleaned.
CREATE FUNCTION as_migrated.restore() RETURNS SETOF text LANGUAGE plpgsql SET session_replication_role = replica AS $$
DECLARE touched record; changed boolean;
BEGIN
    FOR touched IN
        SELECT relname, pg_relation_size(oid) AS size FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0 ORDER BY relname
    LOOP
        EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', touched.relname);
        IF to_regclass(format('as_migrated.%I', touched.relname)) IS NULL THEN
            EXECUTE format('DELETE FROM public.%I', touched.relname);
        ELSE
            EXECUTE format(
                'SELECT EXISTS ((TABLE public.%1$I EXCEPT ALL TABLE as_migrated.%1$I)'
                ' UNION ALL (TABLE as_migrated.%1$I EXCEPT ALL TABLE public.%1$I))', touched.relname
            ) INTO changed;
            IF changed THEN
                EXECUTE format('DELETE FROM public.%I', touched.relname);
                EXECUTE format('INSERT INTO public.%1$I TABLE as_migrated.%1$I', touched.relname);
            END IF;
        END IF;
        IF touched.size > 1000000 THEN
            RETURN NEXT touched.relname;
        END IF;
    END LOOP;
END $$;
"""


def remember() -> None:
    """Keep the rows of migrations, for `restore`."""
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER)


def restore() -> None:
    """Have the tables hold again what `remember` kept."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT as_migrated.restore()")
        for (large,) in cursor.fetchall():
            cursor.execute(f'VACUUM "{large}"')  # gives the space back, so that later tests do not read it


def _end_of_test(test: TransactionTestCase) -> None:
    restore()


def restored_after_commits() -> mock._patch[object]:
    """Have tests that commit end with `restore` instead of Django's `flush`, as long as the context lasts."""
    return mock.patch.object(TransactionTestCase, "_fixture_teardown", _end_of_test)
