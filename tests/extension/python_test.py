"""The extension in Python's sqlite3: two databases, transactions, closing, loading again."""

import os
import sqlite3
import sys
import tempfile
import unittest

MODULE = sys.argv.pop()


def connect(path):
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(MODULE)
    return db


class ExtensionTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def replica(self, name):
        db = connect(self.path(name))
        self.addCleanup(db.close)
        db.execute("CREATE TABLE IF NOT EXISTS t(id TEXT PRIMARY KEY NOT NULL, v)")
        db.execute("SELECT syncline_track('t')").fetchone()
        db.commit()
        return db

    def test_two_databases_exchange_changes(self):
        one, two = self.replica("1"), self.replica("2")
        with one:
            one.executemany("INSERT INTO t VALUES(?, ?)", [("a", 1), ("b", None), ("c", b"\0\1")])
        with two:
            two.execute("INSERT INTO t VALUES('d', 1.5)")
        for source, target in ((one, two), (two, one)):
            (changes,) = source.execute("SELECT syncline_changes(0)").fetchone()
            target.execute("SELECT syncline_apply(?)", (changes,)).fetchone()
        rows = "SELECT * FROM t ORDER BY id"
        self.assertEqual(one.execute(rows).fetchall(),
                         [("a", 1), ("b", None), ("c", b"\0\1"), ("d", 1.5)])
        self.assertEqual(one.execute(rows).fetchall(), two.execute(rows).fetchall())
        digest = "SELECT syncline_digest()"
        self.assertEqual(one.execute(digest).fetchone(), two.execute(digest).fetchone())

    def test_a_rolled_back_transaction_is_no_change(self):
        db = self.replica("1")
        db.execute("INSERT INTO t VALUES('a', 1)")
        db.rollback()
        self.assertEqual(db.execute("SELECT syncline_version()").fetchone(), (0,))

    def test_apply_inside_a_transaction_goes_with_its_rollback(self):
        one, two = self.replica("1"), self.replica("2")
        with one:
            one.execute("INSERT INTO t VALUES('a', 1)")
        (changes,) = one.execute("SELECT syncline_changes(0)").fetchone()
        two.execute("BEGIN")
        two.execute("SELECT syncline_apply(?)", (changes,)).fetchone()
        self.assertEqual(two.execute("SELECT count(*) FROM t").fetchone(), (1,))
        two.rollback()
        self.assertEqual(two.execute("SELECT count(*) FROM t").fetchone(), (0,))
        two.execute("SELECT syncline_apply(?)", (changes,)).fetchone()
        self.assertEqual(two.execute("SELECT count(*) FROM t").fetchone(), (1,))

    def test_errors_are_exceptions_with_words(self):
        db = self.replica("1")
        with self.assertRaisesRegex(sqlite3.OperationalError, "primary key"):
            db.execute("CREATE TABLE k(v)")
            db.execute("SELECT syncline_track('k')").fetchone()

    def test_closing_and_loading_again_many_times(self):
        self.replica("1")
        for number in range(50):
            db = connect(self.path("1"))
            with db:
                db.execute("INSERT INTO t VALUES(?, 0)", (str(number),))
            db.close()
        db = self.replica("1")
        self.assertEqual(db.execute("SELECT syncline_version()").fetchone(), (50,))
        self.assertEqual(db.execute("SELECT syncline_verify()").fetchone(), ("[]",))

    def test_closing_with_an_open_cursor_and_an_open_transaction(self):
        db = self.replica("1")
        with db:
            db.executemany("INSERT INTO t VALUES(?, 0)", [(str(n),) for n in range(10)])
        cursor = db.execute("SELECT * FROM t")
        cursor.fetchone()
        db.execute("INSERT INTO t VALUES('unfinished', 0)")
        # SQLite ends the connection, and with it the transaction, once the cursor is gone too.
        db.close()
        del cursor
        again = self.replica("1")
        self.assertEqual(again.execute("SELECT count(*) FROM t").fetchone(), (10,))

    def test_two_connections_write_one_file(self):
        one, two = self.replica("1"), connect(self.path("1"))
        self.addCleanup(two.close)
        for number in range(10):
            for name, db in (("one", one), ("two", two)):
                with db:
                    db.execute("INSERT INTO t VALUES(?, 0)", (f"{name}{number}",))
        self.assertEqual(one.execute("SELECT syncline_version()").fetchone(), (20,))
        self.assertEqual(one.execute("SELECT syncline_verify()").fetchone(), ("[]",))

    def test_a_program_without_the_extension_is_refused_in_words(self):
        self.replica("1")
        plain = sqlite3.connect(self.path("1"))
        self.addCleanup(plain.close)
        with self.assertRaisesRegex(sqlite3.OperationalError,
                                    "no such (module|function): syncline_extension"):
            plain.execute("INSERT INTO t VALUES('a', 1)")


if __name__ == "__main__":
    unittest.main()
