"""What the tests of the JSON delta door share: a client whose every answer is held against the OpenAPI document."""

import http.client
import json
import os
import signal
import sqlite3
import time
import urllib.parse
import uuid

import openapi
import wire
from case import PATIENCE_S, Case

SECRET = "a secret of more than thirty-two bytes, for tests"


def change(kind, entity, data=None, table="notes", **more):
    out = {"changeId": str(uuid.uuid4()), "type": kind, "entityType": table, "entityId": entity,
           "timestamp": int(time.time() * 1000)}
    if data is not None:
        out["data"] = data
    return {**out, **more}


def created(entity, **data):
    return change("CREATED", entity, data)


def updated(entity, **data):
    return change("UPDATED", entity, data)


def deleted(entity):
    return change("DELETED", entity)


class Door:
    """One client of the door, as an application would have it."""

    def __init__(self, case, url, device="", workspace="team", token=None):
        self.case = case
        self.host = urllib.parse.urlsplit(url).netloc
        self.device = device
        self.workspace = workspace
        self.token = token
        self.known = 0
        self.rows = {}

    def ask(self, path, body=b"", method="POST", headers=None, workspace=True, expect=200):
        target = path + (f"?workspace={self.workspace}" if workspace and self.workspace else "")
        headers = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        line = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        line.request(method, target, body if isinstance(body, bytes) else json.dumps(body), headers)
        reply = line.getresponse()
        text = reply.read()
        line.close()
        self.headers = {name.lower(): value for name, value in reply.getheaders()}
        self.bytes = len(text)
        answer = json.loads(text)
        self.case.assertEqual(reply.status, expect, answer)
        if path != "/api/sync/v2/openapi.json":
            openapi.check_answer(self.case.document(self.host), method, path, reply.status, answer)
        return answer

    def get(self, target):
        """What another route answers."""
        line = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        line.request("GET", target)
        answer = json.loads(line.getresponse().read())
        line.close()
        return answer

    def send(self, *changes, expect=200, known=None, **more):
        """One request; what it brings is taken in."""
        body = {"lastKnownServerVersion": self.known if known is None else known,
                "changes": list(changes), **more}
        if self.device:
            body.setdefault("deviceId", self.device)
        answer = self.ask("/api/sync/v2", body, expect=expect)
        if expect == 200 and known is None:
            self.keep(changes, answer)
            self.take(answer)
        return answer

    def keep(self, changes, answer):
        """One's own changes are not told back: what landed of them is kept."""
        landed = {one["changeId"] for one in answer["accepted"] if "repeated" not in one}
        lost = {one["changeId"]: one for one in answer["conflicts"] if one["winner"] == "theirs"}
        for one in changes:
            if not isinstance(one, dict) or one.get("changeId") not in landed:
                continue
            landed.discard(one["changeId"])
            key = (one["entityType"], str(one["entityId"]))
            if one["type"] == "DELETED":
                self.rows.pop(key, None)
            elif lost.get(one["changeId"], {}).get("reason") != "deleted":
                theirs = {name: both["theirs"] for name, both in
                          lost.get(one["changeId"], {}).get("fields", {}).items()}
                row = {} if one["type"] == "CREATED" else self.rows.get(key, {})
                self.rows[key] = {**row, **one["data"], **theirs}

    def take(self, answer):
        for one in answer["newChanges"]:
            key = (one["entityType"], one["entityId"])
            if one["type"] == "DELETED":
                self.rows.pop(key, None)
            else:
                row = {} if one["type"] == "CREATED" else dict(self.rows.get(key, {}))
                self.rows[key] = {**row, **one["data"]}
        self.known = answer["latestServerVersion"]

    def pull(self):
        """Everything there is, page by page."""
        while self.send()["hasMore"]:
            pass
        return self.notes()

    def notes(self):
        return {key[1]: row for key, row in self.rows.items() if key[0] == "notes"}


class DeltaCase(Case):
    documents = None

    def setUp(self):
        super().setUp()
        self.documents = {}

    def document(self, host):
        if host not in self.documents:
            line = http.client.HTTPConnection(host, timeout=PATIENCE_S)
            line.request("GET", "/api/sync/v2/openapi.json")
            self.documents[host] = json.loads(line.getresponse().read())
            line.close()
        return self.documents[host]

    def jwt(self, subject="ann", workspaces=("team",), **claims):
        return wire.token(SECRET, sub=subject,
                          workspaces=list(workspaces), **claims)

    def log(self, sql, *arguments, data="srv"):
        """Plain SQL on the server's database."""
        path = os.path.join(self.path(data), "log.db")
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE_S)
        try:
            return database.execute(sql, arguments).fetchall()
        finally:
            database.close()

    def kill(self, server):
        server.send_signal(signal.SIGKILL)
        server.wait(timeout=PATIENCE_S)
