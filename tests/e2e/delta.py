"""The JSON delta door over real HTTP: every answer is held against the served OpenAPI document."""

import ctypes
import ctypes.util
import gzip
import http.client
import json
import threading
import unittest
import zlib

from case import PATIENCE_S
from delta_case import DeltaCase, Door, change, created, deleted, updated


def zstd(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compressBound.restype = ctypes.c_size_t
    library.ZSTD_compress.restype = ctypes.c_size_t
    bound = library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(bound)
    size = library.ZSTD_compress(out, ctypes.c_size_t(bound), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:size]


class Merging(DeltaCase):
    def setUp(self):
        super().setUp()
        self.server, self.url = self.serve("--demo")
        self.ann, self.ben = (Door(self, self.url, device) for device in ("ann-1", "ben-1"))

    def test_one_request_pushes_and_pulls(self):
        answer = self.ann.send(created("a", body="one", n=1, r=1.5, none=None))
        self.assertEqual(answer["newChanges"], [])
        self.assertEqual(answer["latestServerVersion"], 1)
        self.assertEqual(answer["accepted"][0]["serverVersion"], 1)
        answer = self.ben.send(created("b", body="two"))
        self.assertEqual([one["entityId"] for one in answer["newChanges"]], ["a"])
        self.assertEqual(answer["newChanges"][0]["type"], "CREATED")
        self.assertEqual(answer["newChanges"][0]["deviceId"], "ann-1")
        row = {"body": "one", "n": 1, "r": 1.5, "none": None}
        self.assertEqual(answer["newChanges"][0]["data"], row)
        answer = self.ann.send()
        self.assertEqual([one["entityId"] for one in answer["newChanges"]], ["b"])
        self.assertEqual(self.ann.notes(), {"a": row, "b": {"body": "two"}})

    def test_an_update_carries_only_what_changed_and_merges_field_by_field(self):
        self.ann.send(created("a", body="one", n=1))
        self.ben.pull()
        self.ann.send(updated("a", body="ann's"))
        answer = self.ben.send(updated("a", n=2))
        self.assertEqual(answer["conflicts"], [])
        self.assertEqual(answer["newChanges"][0]["data"], {"body": "ann's"})
        reader = Door(self, self.url)
        self.assertEqual(reader.pull(), {"a": {"body": "ann's", "n": 2}})

    def test_the_last_write_wins_by_server_time_and_its_author_hears_both_values(self):
        self.ann.send(created("a", body="one", n=1))
        self.ben.pull()
        self.ann.send(updated("a", body="ann's"))
        # However old the author's own clock says it is.
        late = change("UPDATED", "a", {"body": "ben's"}, timestamp="2001-01-01T00:00:00Z")
        (conflict,) = self.ben.send(late)["conflicts"]
        self.assertEqual(conflict["changeId"], late["changeId"])
        self.assertEqual((conflict["reason"], conflict["winner"]), ("concurrent_update", "yours"))
        self.assertEqual(conflict["fields"], {"body": {"yours": "ben's", "theirs": "ann's"}})
        self.assertEqual(Door(self, self.url).pull()["a"]["body"], "ben's")
        self.assertEqual(self.ann.send(updated("a", n=7))["conflicts"], [])

    def test_by_stamp_for_those_with_clocks(self):
        self.ann.send(created("a", body="one"))
        self.ben.pull()
        now = self.ann.send()["serverTime"]
        self.ann.send(change("UPDATED", "a", {"body": "newer"}, stamp=now + 2000))
        (conflict,) = self.ben.send(
            change("UPDATED", "a", {"body": "older"}, stamp=now + 1000))["conflicts"]
        self.assertEqual(conflict["winner"], "theirs")
        self.assertEqual(conflict["fields"]["body"], {"yours": "older", "theirs": "newer"})
        self.assertEqual(Door(self, self.url).pull()["a"]["body"], "newer")
        (refused,) = self.ann.send(
            change("UPDATED", "a", {"body": "x"}, stamp=now + 3600_000))["rejected"]
        self.assertEqual(refused["code"], "clock_skew")

    def test_a_base_version_says_what_the_author_had_seen(self):
        self.ann.send(created("a", body="one"))
        base = self.ben.send()["latestServerVersion"]
        self.ann.send(updated("a", body="ann's"))
        self.ben.pull()
        queued = change("UPDATED", "a", {"body": "ben's"}, baseVersion=base)
        self.assertEqual(len(self.ben.send(queued)["conflicts"]), 1)

    def test_deleting_beats_an_update_that_had_not_seen_it(self):
        self.ann.send(created("a", body="one"))
        self.ben.pull()
        self.ann.send(deleted("a"))
        (conflict,) = self.ben.send(updated("a", body="ben's"))["conflicts"]
        self.assertEqual((conflict["reason"], conflict["winner"]), ("deleted", "theirs"))
        self.assertEqual(conflict["fields"]["body"], {"yours": "ben's", "theirs": None})
        self.assertEqual(self.ben.notes(), {})
        (refused,) = self.ben.send(updated("a", body="again"))["rejected"]
        self.assertEqual(refused["code"], "not_found")
        self.ben.send(created("a", body="anew"))
        self.assertEqual(self.ann.pull(), {"a": {"body": "anew"}})

    def test_a_deletion_tells_what_it_threw_away(self):
        self.ann.send(created("a", body="one"))
        self.ben.pull()
        self.ann.send(updated("a", body="more"))
        (conflict,) = self.ben.send(deleted("a"))["conflicts"]
        self.assertEqual((conflict["reason"], conflict["winner"]), ("edited", "yours"))
        self.assertEqual(conflict["fields"]["body"], {"yours": None, "theirs": "more"})

    def test_two_who_create_one_row_hear_of_it(self):
        self.ann.send(created("a", body="ann's", n=1))
        (conflict,) = self.ben.send(created("a", body="ben's"))["conflicts"]
        self.assertEqual(conflict["reason"], "created_twice")
        self.assertEqual(conflict["fields"]["body"], {"yours": "ben's", "theirs": "ann's"})
        self.assertEqual(self.ann.pull(), {"a": {"body": "ben's"}})

    def test_one_bad_change_is_refused_and_the_others_land(self):
        bad = [updated("nowhere", body="x"), {"changeId": "no type", "entityType": "notes"}, 7,
               change("CREATED", "s", {"x": 1}, table="syncline_status"),
               change("CREATED", "big", {"n": 123456789012345678901})]
        answer = self.ann.send(created("a", body="one"), *bad, created("b", body="two"))
        self.assertEqual(len(answer["accepted"]), 2)
        self.assertEqual([one["index"] for one in answer["rejected"]], [1, 2, 3, 4, 5])
        self.assertEqual({one["code"] for one in answer["rejected"]},
                         {"not_found", "invalid_argument"})
        self.assertEqual(answer["rejected"][0]["changeId"], bad[0]["changeId"])
        self.assertEqual(set(Door(self, self.url).pull()), {"a", "b"})

    def test_values_come_back_as_they_went(self):
        row = {"blob": {"base64": "AAEC"}, "big": 9223372036854775807, "real": 1e300,
               "inf": {"real": "inf"}, "text": "Grüße \u2028", "tags": ["a", {"b": [1, None]}],
               "doc": {"title": "x", "deep": {"n": 1.5}}, "yes": True}
        self.ann.send(change("CREATED", "v", row))
        self.assertEqual(self.ben.pull()["v"], {**row, "yes": 1})
        # A member that is named changes; null takes it away.
        self.ann.send(change("UPDATED", "v", {"doc": {"title": None, "more": True}}))
        self.assertEqual(self.ben.pull()["v"]["doc"], {"deep": {"n": 1.5}, "more": True})


class Repeating(DeltaCase):
    def test_a_change_id_is_one_change_for_ever(self):
        server, url = self.serve("--demo")
        ann = Door(self, url, "ann-1")
        first = created("a", body="one")
        version = ann.send(first)["accepted"][0]["serverVersion"]
        ann.send(updated("a", body="two"))
        again = ann.send(first)
        self.assertEqual(again["accepted"], [{"changeId": first["changeId"], "serverVersion": version,
                                              "repeated": True}])
        (refused,) = ann.send({**first, "data": {"body": "another"}})["rejected"]
        self.assertEqual(refused["code"], "change_id_reused")
        twice = updated("a", n=1)
        answer = ann.send(twice, twice)
        self.assertEqual([one.get("repeated") for one in answer["accepted"]], [None, True])
        self.kill(server)
        _, url = self.serve("--demo")
        self.assertTrue(Door(self, url).send(first)["accepted"][0]["repeated"])
        self.assertEqual(Door(self, url).pull(), {"a": {"body": "two", "n": 1}})
        self.assertEqual(self.log("SELECT count(*) FROM audit"), [(3,)])

    def test_a_conflict_is_told_again_with_the_repetition(self):
        _, url = self.serve("--demo")
        ann, ben = Door(self, url, "ann-1"), Door(self, url, "ben-1")
        ann.send(created("a", body="one"))
        ann.send(updated("a", body="two"))
        mine = updated("a", body="mine")
        first = ben.send(mine, known=1)
        self.assertEqual(len(first["conflicts"]), 1)
        self.assertEqual(ben.send(mine, known=1)["conflicts"], first["conflicts"])

    def test_killed_between_commit_and_answer(self):
        server, url = self.serve("--demo")
        Door(self, url).send(created("seed", body="x"))
        changes = [created(f"k{i}", body="x" * 100, n=i) for i in range(200)]
        line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
        line.request("POST", "/api/sync/v2?workspace=team", json.dumps({"changes": changes}))
        # The answer is on its way, and nobody reads it: the moment it is durable, the server dies.
        while self.log("SELECT count(*) FROM named_changes WHERE id = ?",
                       changes[-1]["changeId"]) != [(1,)]:
            pass
        self.kill(server)
        line.close()
        _, url = self.serve("--demo")
        ann = Door(self, url, "ann-1")
        answer = ann.send(*changes)
        self.assertTrue(all(one.get("repeated") for one in answer["accepted"]))
        self.assertEqual(len(answer["accepted"]), 200)
        self.assertEqual(self.log("SELECT count(*), count(DISTINCT entity_id) FROM audit"),
                         [(201, 201)])

    def test_killed_at_any_moment_nothing_is_doubled_or_lost(self):
        server, url = self.serve("--demo")
        sent = []
        for turn in range(4):
            batches = [[created(f"{turn}-{b}-{i}", n=i) for i in range(50)] for b in range(20)]
            sent.extend(one for batch in batches for one in batch)
            killer = threading.Timer(0.01 * (turn + 1), self.kill, (server,))
            killer.start()
            try:
                for batch in batches:
                    Door(self, url).send(*batch)
            except (OSError, http.client.HTTPException):
                pass  # it died meanwhile, which is the point
            killer.join()
            server, url = self.serve("--demo")
            for batch in batches:
                answer = Door(self, url).send(*batch)
                self.assertEqual(len(answer["accepted"]), 50)
        self.assertEqual(self.log("SELECT count(*), count(DISTINCT entity_id) FROM audit"),
                         [(len(sent), len(sent))])
        self.assertEqual(len(Door(self, url).pull()), len(sent))


class Carrying(DeltaCase):
    def setUp(self):
        super().setUp()
        self.server, self.url = self.serve("--demo")

    def test_thousands_in_a_batch_packed_or_not(self):
        plain, packed, tight = (
            json.dumps({"changes": [created(f"{name}{i}", body="some text", n=i)
                                    for i in range(6000)]}).encode() for name in "xyz")
        door = Door(self, self.url)
        for body, headers in ((plain, {}), (gzip.compress(packed), {"Content-Encoding": "gzip"}),
                              (zstd(tight), {"Content-Encoding": "zstd"})):
            answer = door.ask("/api/sync/v2", body, headers=headers)
            self.assertEqual((len(answer["accepted"]), answer["rejected"]), (6000, []))
        self.assertEqual(len(door.pull()), 18000)

    def test_pages_tell_of_more(self):
        door = Door(self, self.url)
        for i in range(30):
            door.send(created(f"p{i}", n=i), known=0)
        reader = Door(self, self.url)
        pages = 0
        while True:
            answer = reader.send(limit=7)
            pages += 1
            self.assertLessEqual(len(answer["newChanges"]), 7)
            if not answer["hasMore"]:
                break
        self.assertEqual(pages, 5)
        self.assertEqual(len(reader.notes()), 30)

    def test_bombs_and_floods_are_refused_with_a_reason(self):
        door = Door(self, self.url)
        bomb = gzip.compress(b" " * (20 << 20))
        for body, headers, status, code in (
                (bomb, {"Content-Encoding": "gzip"}, 413, "too_large"),
                (zstd(b" " * (20 << 20)), {"Content-Encoding": "zstd"}, 413, "too_large"),
                (b"not gzip", {"Content-Encoding": "gzip"}, 400, "malformed"),
                (zlib.compress(b"{}"), {"Content-Encoding": "deflate"}, 415, "unsupported"),
                (b"{", {}, 400, "malformed"), (b"[]", {}, 400, "invalid_argument"),
                (b'{"changes":7}', {}, 400, "invalid_argument"),
                (b'{"lastKnownServerVersion":-1}', {}, 400, "invalid_argument"),
                (b"[" * 200 + b"]" * 200, {}, 413, "too_large"),
                (json.dumps({"changes": [{}] * 10001}).encode(), {}, 413, "too_large")):
            answer = door.ask("/api/sync/v2", body, headers=headers, expect=status)
            self.assertEqual(answer["error"]["code"], code, answer)
        door.send(created("a", body="still here"))

    def test_a_long_poll_waits_for_news_and_not_for_ever(self):
        ann, ben = Door(self, self.url, "ann-1"), Door(self, self.url, "ben-1")
        ann.send(created("a", body="one"))
        ben.pull()
        got = []
        waiting = threading.Thread(target=lambda: got.append(ben.send(wait=50)))
        waiting.start()
        while not got:
            ann.send(updated("a", body="news"))
            waiting.join(0.05)
        self.assertEqual(ben.notes()["a"], {"body": "news"})
        self.assertEqual(ann.send(wait=1)["newChanges"], [])

    def test_events_stream_what_happens(self):
        ann = Door(self, self.url, "ann-1")
        ann.send(created("a", body="one"))
        line = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=PATIENCE_S)
        line.request("GET", "/api/sync/v2/events?workspace=team&since=0")
        reply = line.getresponse()
        self.assertEqual(reply.getheader("Content-Type"), "text/event-stream")

        def event():
            found = {}
            while not found or found.get("event") is None:
                for text in iter(lambda: reply.readline().decode().rstrip("\n"), ""):
                    name, _, value = text.partition(": ")
                    found[name] = value
            return found

        first = event()
        self.assertEqual(json.loads(first["data"])["newChanges"][0]["data"], {"body": "one"})
        ann.send(updated("a", body="two"))
        second = event()
        self.assertEqual(second["id"], "2")
        self.assertEqual(json.loads(second["data"])["newChanges"][0]["data"], {"body": "two"})
        line.close()
        # Whoever comes again says what was the last.
        line = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=PATIENCE_S)
        line.request("GET", "/api/sync/v2/events?workspace=team", headers={"Last-Event-ID": "1"})
        reply = line.getresponse()
        self.assertEqual(event()["id"], "2")
        line.close()


class Letting(DeltaCase):
    def test_tokens_open_what_they_name_and_nothing_else(self):
        _, url = self.serve("--key-file", self.path("secret"))
        ann = Door(self, url, workspace="", token=self.jwt("ann", ["home"]))
        ann.send(created("a", body="mine"))  # the token names one workspace
        nobody = Door(self, url)
        self.assertEqual(nobody.send(expect=401)["error"]["code"], "not_allowed")
        self.assertEqual(nobody.headers["www-authenticate"], "Bearer")
        ben = Door(self, url, workspace="home", token=self.jwt("ben", ["team", "club"]))
        other = ben.send(expect=404)
        none = ben.ask("/api/sync/v2", {}, workspace=False, expect=404,
                       headers={"Syncline-Workspace": "there is none"})
        self.assertEqual(none, other)
        ben.workspace = ""
        self.assertEqual(ben.send(expect=400)["error"]["code"], "workspace_missing")
        ben.ask("/api/sync/v2", {}, workspace=False, headers={"Syncline-Workspace": "club"})
        reader = Door(self, url, workspace="home", token=self.jwt("cid", ["home"], rights="r"))
        answer = reader.send(created("b", body="not mine"))
        self.assertEqual(answer["rejected"][0]["code"], "not_allowed")
        self.assertEqual(reader.notes(), {"a": {"body": "mine"}})
        forged = Door(self, url, token=self.jwt("ann", ["team"], exp=1))
        forged.send(expect=401)

    def test_pages_of_other_origins_come_when_they_are_named(self):
        _, url = self.serve("--demo", "--allow-origin", "https://app.example")
        line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
        for origin, preflight, status in (("https://app.example", 204, 200),
                                          ("https://evil.example", 403, 403)):
            line.request("OPTIONS", "/api/sync/v2", headers={
                "Origin": origin, "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization"})
            reply = line.getresponse()
            reply.read()
            self.assertEqual(reply.status, preflight)
            line.request("POST", "/api/sync/v2?workspace=team", "{}", headers={"Origin": origin})
            reply = line.getresponse()
            reply.read()
            self.assertEqual(reply.status, status)
            if status == 200:
                self.assertEqual(reply.getheader("Access-Control-Allow-Origin"), origin)
        line.close()

    def test_too_much_at_once_is_told_when_to_come_again(self):
        _, url = self.serve("--demo", "--rate-per-identity", "100")
        door = Door(self, url)
        # More than a bucket holds is let in when it is full, or it never would be.
        door.send(*[created(f"a{i}", n=i) for i in range(700)])
        answer = door.send(*[created(f"b{i}", n=i) for i in range(300)], expect=429)
        self.assertTrue(answer["error"]["retryable"])
        self.assertGreaterEqual(int(door.headers["retry-after"]), 1)

    def test_another_user_cannot_take_a_change_id_or_a_device(self):
        _, url = self.serve("--key-file", self.path("secret"))
        ann = Door(self, url, "phone", token=self.jwt("ann"))
        ben = Door(self, url, "phone", token=self.jwt("ben"))
        mine = created("a", body="ann's")
        ben.send({**mine, "entityId": "b"})
        self.assertEqual(len(ann.send(mine)["accepted"]), 1)
        self.assertEqual(set(ben.pull()), {"a", "b"})
        self.assertEqual(self.log("SELECT user, device_name FROM audit ORDER BY change_id"),
                         [("ben", "phone"), ("ann", "phone")])


class Coming(DeltaCase):
    STATE = {"data": {"notes": [{"id": f"n{i}", "body": f"text {i}", "n": i} for i in range(50)],
                      "tags": [{"id": "t", "name": "red"}]}}

    def test_a_state_becomes_changes_once(self):
        server, url = self.serve("--demo")
        door = Door(self, url, "old-app")
        answer = door.ask("/api/sync/v2/migrate", self.STATE)
        self.assertEqual((answer["migrated"], answer["duplicates"]), (51, 0))
        self.kill(server)
        _, url = self.serve("--demo")
        door = Door(self, url, "old-app")
        answer = door.ask("/api/sync/v2/migrate", self.STATE)
        self.assertEqual((answer["migrated"], answer["duplicates"]), (0, 51))
        self.assertEqual(self.log("SELECT count(*) FROM audit"), [(51,)])
        # Another device with an older state overwrites nothing, and hears of what differs.
        Door(self, url, "phone").send(updated("n1", body="newer"), deleted("n2"))
        other = Door(self, url, "tablet")
        answer = other.ask("/api/sync/v2/migrate", {"data": [
            {"entityType": "notes", "entityId": "n1", "data": {"body": "older", "colour": "red"}},
            {"entityType": "notes", "entityId": "n2", "data": {"body": "back?"}},
            {"entityType": "notes", "entityId": "new", "data": {"body": "mine"}},
            {"entityType": "notes", "entityId": "new", "data": {"body": "mine"}}, {"entityType": 1}]})
        self.assertEqual((answer["migrated"], answer["duplicates"]), (2, 1))
        self.assertEqual(answer["conflicts"][0]["fields"],
                         {"body": {"yours": "older", "theirs": "newer"}})
        self.assertEqual([one["code"] for one in answer["rejected"]],
                         ["not_found", "invalid_argument"])
        rows = Door(self, url).pull()
        self.assertEqual(rows["n1"], {"body": "newer", "n": 1, "colour": "red"})
        self.assertNotIn("n2", rows)
        self.assertEqual(rows["new"], {"body": "mine"})

    def test_the_old_endpoints_work_beside_it_when_asked_for(self):
        server, url = self.serve("--demo")
        line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE_S)
        line.request("POST", "/api/sync/pull?workspace=team")
        self.assertEqual(line.getresponse().status, 404)
        self.kill(server)
        _, url = self.serve("--demo", "--legacy-sync")
        old, new = Door(self, url), Door(self, url, "new")
        old.ask("/api/sync/push", {"data": {"notes": [{"id": "a", "body": "one", "n": 1}]}})
        for header in ("deprecation", "link"):
            self.assertIn(header, old.headers)
        self.assertEqual(new.pull(), {"a": {"body": "one", "n": 1}})
        new.send(updated("a", n=2), created("b", body="new"))
        state = old.ask("/api/sync/pull", {})
        self.assertEqual(state["data"], {"notes": [{"id": "a", "body": "one", "n": 2},
                                                   {"id": "b", "body": "new"}]})
        self.assertIn("deprecation", old.headers)
        # What did not change is no change.
        old.ask("/api/sync/push", {"data": {"notes": [{"id": "a", "body": "back", "n": 2}]}})
        answer = new.send()
        self.assertEqual([one["data"] for one in answer["newChanges"]], [{"body": "back"}])


if __name__ == "__main__":
    unittest.main()
