"""Two databases that sync, from Python's own sqlite3 module.

    python3 two_databases.py MODULE      the path of syncline.so

The Python must be able to load extensions; Debian's /usr/bin/python3 is.
"""

import sqlite3
import sys

SCHEMA = "CREATE TABLE IF NOT EXISTS notes(id TEXT PRIMARY KEY NOT NULL, body TEXT)"


def open_replica(path, module):
    db = sqlite3.connect(path)
    db.enable_load_extension(True)
    db.load_extension(module)
    db.execute(SCHEMA)
    # 'manual' keeps what loses as a conflict until somebody decides.
    db.execute("SELECT syncline_track('notes', 'manual')").fetchone()
    db.commit()
    return db


def carry(source, target):
    """Everything that source knows, merged into target; in life over any channel you like."""
    (changes,) = source.execute("SELECT syncline_changes(0)").fetchone()
    (report,) = target.execute("SELECT syncline_apply(?)", (changes,)).fetchone()
    target.commit()
    return report


def main(module):
    ann, bob = open_replica(":memory:", module), open_replica(":memory:", module)
    with ann:
        ann.execute("INSERT INTO notes VALUES('1', 'buy milk')")
    print("bob gets", carry(ann, bob))

    # Neither sees what the other writes.
    with ann:
        ann.execute("UPDATE notes SET body = 'buy oat milk'")
    with bob:
        bob.execute("UPDATE notes SET body = 'buy two milks'")
    carry(ann, bob)
    carry(bob, ann)
    (conflict, mine, theirs) = ann.execute(
        "SELECT id, mine, theirs FROM syncline_conflicts").fetchone()
    print(f"ann wrote {mine!r}, bob wrote {theirs!r}")
    with ann:
        ann.execute("SELECT syncline_resolve(?, 'value', ?)",
                    (conflict, "buy two oat milks")).fetchone()
    carry(ann, bob)
    (body,) = bob.execute("SELECT body FROM notes").fetchone()
    (left,) = bob.execute("SELECT count(*) FROM syncline_conflicts").fetchone()
    print(f"bob has {body!r} and {left} conflicts")
    assert (body, left) == ("buy two oat milks", 0)
    ann.close()
    bob.close()


if __name__ == "__main__":
    main(sys.argv[1])
