"""JSON clients and native replicas on the same rows, offline and on: all of them end alike."""

import random
import signal
import unittest

from case import PATIENCE_S
from delta_case import DeltaCase, Door, change, created, deleted, updated


class Mixed(DeltaCase):
    def write_schema(self, sql):
        with open(self.path("schema.sql"), "w", encoding="utf-8") as schema:
            schema.write(sql)

    def native(self, name, table="notes"):
        return {tuple(row["key"]): row["value"] for row in
                self.run_it("dump", "--db", self.path(name), "--table", table)}

    def test_what_json_made_from_nothing_a_replica_takes_up(self):
        _, url = self.serve("--demo")
        door = Door(self, url, "web")
        door.send(created("a", body="one", n="7"), created("b", body="two"))
        self.device("phone")
        self.sync("phone", url)
        # The replica's schema says what its columns hold.
        self.assertEqual(self.rows("phone"), {"a": {"body": "one", "n": 7},
                                              "b": {"body": "two", "n": 0}})
        self.put("phone", "c", body="from the phone", n=3)
        self.order("phone", id=2, do="sql", sql="UPDATE notes SET body = 'edited' WHERE id = 'a'")
        self.sync("phone", url)
        answer = door.send()
        self.assertEqual({one["entityId"]: one["type"] for one in answer["newChanges"]},
                         {"a": "UPDATED", "c": "CREATED"})
        self.assertEqual(door.notes()["a"]["body"], "edited")
        # From now on the table is as the replica declared it.
        (refused,) = door.send(updated("a", bodyy="typo"))["rejected"]
        self.assertEqual(refused["code"], "unknown_column")
        (verified,) = self.run_it("verify", "--db", self.path("phone"))
        self.assertTrue(verified["ok"])

    def test_keys_and_rules_of_a_replica(self):
        _, url = self.serve("--demo")
        self.write_schema("""
            CREATE TABLE lines(bill INTEGER, line INTEGER, what TEXT NOT NULL, PRIMARY KEY(bill, line));
            CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, stock INTEGER, extra TEXT,
                               price REAL);""")
        self.device("till")
        self.run_it("track", "--db", self.path("till"), "items", "--column", "stock=counter",
                    "--column", "extra=json")
        self.order("till", id=1, do="sql",
                   sql="INSERT INTO items VALUES(1, 'tea', 10, '{\"a\":1,\"b\":{\"c\":2}}', 2)")
        self.order("till", id=2, do="sql", sql="INSERT INTO lines VALUES(1, 1, 'tea')")
        self.sync("till", url)
        door = Door(self, url, "web")
        door.pull()
        self.assertEqual(door.rows[("items", "1")],
                         {"name": "tea", "stock": 10, "extra": {"a": 1, "b": {"c": 2}}, "price": 2.0})
        self.assertEqual(door.rows[("lines", "[1,1]")], {"what": "tea"})
        # Both count, and both change the document, without having seen each other.
        self.order("till", id=3, do="incr", table="items", key=1, column="stock", by=-3)
        self.order("till", id=4, do="sql",
                   sql="UPDATE items SET extra = json_set(extra, '$.a', 9) WHERE id = 1")
        answer = door.send(
            change("UPDATED", "1", {"stock": {"increment": 5}, "extra": {"b": {"d": 3}}, "price": 3},
                   table="items"),
            change("CREATED", [1, 2], {"what": "milk"}, table="lines"),
            change("CREATED", "[1,3]", {}, table="lines"),
            change("CREATED", "x", {"what": "?"}, table="lines"))
        self.assertEqual([one["code"] for one in answer["rejected"]],
                         ["constraint", "invalid_argument"])
        self.sync("till", url)
        self.assertEqual(self.native("till", "items")[(1,)]["stock"], 12)
        self.assertEqual(self.native("till", "lines")[(1, 2)], {"what": "milk"})
        fresh = Door(self, url)
        fresh.pull()
        item = fresh.rows[("items", "1")]
        self.assertEqual(item, {"name": "tea", "stock": 12, "price": 3.0,
                                "extra": {"a": 9, "b": {"c": 2, "d": 3}}})

    def test_a_replica_that_names_rows_otherwise_is_told_so(self):
        _, url = self.serve("--demo")
        Door(self, url, "web").send(created("a", body="one"))
        self.write_schema("CREATE TABLE notes(id INTEGER PRIMARY KEY, body TEXT);")
        self.device("phone")
        lines = self.sync("phone", url, expect=9)
        self.assertIn("notes", lines[-1]["error"]["message"])

    def test_a_conflict_shows_on_both_sides(self):
        _, url = self.serve("--demo")
        self.device("phone", "--merge", "manual")
        self.put("phone", "a", body="first")
        self.sync("phone", url)
        door = Door(self, url, "web")
        door.pull()
        self.put("phone", "a", body="the phone's")
        self.sync("phone", url)
        (told,) = door.send(updated("a", body="the web's"))["conflicts"]
        self.assertEqual(told["fields"]["body"], {"yours": "the web's", "theirs": "the phone's"})
        self.sync("phone", url)
        (conflict,) = self.run_it("conflicts", "--db", self.path("phone"))
        self.assertEqual({conflict["mine"], conflict["theirs"]}, {"the web's", "the phone's"})
        self.assertEqual(self.rows("phone")["a"]["body"], "the web's")

    def test_a_restored_server_gives_no_number_twice(self):
        server, url = self.serve("--demo")
        door = Door(self, url, "web")
        lineage = door.send(created("a", body="in the backup"))["lineage"]
        self.run_it("backup", "--data", self.path("srv"), "--to", self.path("copy"))
        door.send(created("b", body="after it"))
        self.device("phone")
        self.sync("phone", url)
        self.assertEqual(set(self.rows("phone")), {"a", "b"})
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=PATIENCE_S), 0)
        self.run_it("restore", "--from", self.path("copy"), "--data", self.path("srv2"))
        _, url = self.serve("--demo", data="srv2")
        again = Door(self, url, "web")
        again.known = door.known
        self.assertTrue(again.send(lineage=lineage)["resync"])
        # The same device's next change would have had a number that the phone knows as another's.
        again.send(created("c", body="anew"))
        self.sync("phone", url)
        self.assertEqual(self.rows("phone")["c"]["body"], "anew")

    def test_all_converge_whatever_they_do(self):
        _, url = self.serve("--demo")
        draw = random.Random(6)
        doors = [Door(self, url, f"web-{i}") for i in range(2)]
        phones = ["phone", "laptop"]
        for name in phones:
            self.device(name)
        queues = [[], []]
        for step in range(60):
            key = draw.choice("abcde")
            which = draw.randrange(4)
            if which < 2:
                door, queue = doors[which], queues[which]
                edit = draw.choice([created(key, body=f"web {step}", n=step), deleted(key),
                                    updated(key, body=f"web {step}"), updated(key, n=step)])
                queue.append({**edit, "baseVersion": door.known})
                if draw.random() < 0.4:  # online
                    door.send(*queue)
                    queue.clear()
            else:
                name = phones[which - 2]
                sql = draw.choice([f"INSERT OR REPLACE INTO notes VALUES('{key}', 'ph {step}', {step})",
                                   f"UPDATE notes SET body = 'ph {step}' WHERE id = '{key}'",
                                   f"UPDATE notes SET n = {step} WHERE id = '{key}'",
                                   f"DELETE FROM notes WHERE id = '{key}'"])
                self.order(name, id=step, do="sql", sql=sql)
                if draw.random() < 0.4:
                    self.sync(name, url)
        for _ in range(2):
            for door, queue in zip(doors, queues):
                door.send(*queue)
                queue.clear()
            for name in phones:
                self.sync(name, url)
        self.assertEqual(self.rows("phone"), self.rows("laptop"))
        # One who begins now sees the same; null and what was never said are one to JSON.
        fresh = Door(self, url)
        fresh.pull()
        for door in doors:
            self.assertEqual(door.pull(), fresh.notes())
        for name in phones:
            self.run_it("verify", "--db", self.path(name))
        native = {key: {c: v for c, v in row.items() if v is not None}
                  for key, row in self.rows("phone").items()}
        self.assertEqual(set(fresh.notes()), set(native))
        for key, row in fresh.notes().items():
            for column, value in row.items():
                if value is not None:
                    self.assertEqual(value, native[key][column], (key, column))


if __name__ == "__main__":
    unittest.main()
