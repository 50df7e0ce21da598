// The package in Node, with a real server at the other end.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import test, { after, before } from "node:test";
import WebSocket from "ws";
import { open, SynclineError, WebSocketTransport } from "../dist/node.js";
import { HttpGatewayProvider, makeProvider, MemoryHub, MemoryProvider, ProviderSync } from "../dist/providers.js";
import { startServer, temporaryFolder, until } from "./server.mjs";

const notes = { notes: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT", likes: "INTEGER DEFAULT 0" } };
const schema = { notes: { columns: notes.notes, merge: "likes=counter" } };
const transport = () => new WebSocketTransport((url) => new WebSocket(url));
let server;
let workspaces = 0;

before(async () => (server = await startServer()));
after(async () => server.stop());

function device(workspace, more = {}) {
  return open({ name: ":memory:", schema, url: server.url, workspace, transport: transport(), ...more });
}
const fresh = () => `w${++workspaces}-${process.pid}`;

test("waiting to be synced ends, also right after everything was compared anew", async () => {
  const db = await device(fresh());
  await db.exec("INSERT INTO notes(id) VALUES('1')");
  await db.synced();
  for (let round = 0; round < 10; round++) {
    await db.resync();
    await db.synced(5000);
    assert.equal(db.status.value.status, "synced");
  }
  await db.close();
});

test("values come back as they went in", async () => {
  const db = await open({ name: ":memory:" });
  const values = [null, 1, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 2.5, -0.5, 9223372036854775807n, -9223372036854775808n, "", "grüße 🙂", new Uint8Array([0, 255])];
  for (const value of values) {
    const [row] = await db.query("SELECT ?1 AS value", [value]);
    assert.deepEqual(row.value, value);
  }
  const [row] = await db.query("SELECT typeof(?1) AS a, typeof(?2) AS b, ?3 AS c", [1, 1.5, true]);
  assert.deepEqual(row, { a: "integer", b: "real", c: 1 });
  await assert.rejects(db.query("SELECT ?1", [{}]), SynclineError);
  await assert.rejects(db.query("SELECT ?1", []), /takes 1 values, not 0/);
  await assert.rejects(db.query("SELEC 1"), /syntax error/);
  await db.close();
});

test("parameters may have names", async () => {
  const db = await open({ name: ":memory:" });
  const sql = "SELECT :b AS b, @a AS a, $c || ':no' AS c, :b + 1 AS d -- :neither\n /* :nor */, \"x:y\" FROM (SELECT 7 AS \"x:y\")";
  assert.deepEqual(await db.get(sql, { a: 1, b: 2, $c: "three" }), { b: 2, a: 1, c: "three:no", d: 3, "x:y": 7 });
  assert.deepEqual(await db.batch([["SELECT :n AS n", { n: null }]]), [[{ n: null }]]);
  const live = db.live("SELECT :n AS n", { n: 5 });
  assert.deepEqual(await live.first(), [{ n: 5 }]);
  await db.transaction(async (tx) => assert.deepEqual(await tx.query("SELECT :n AS n", { n: 6 }), [{ n: 6 }]));
  await assert.rejects(db.query("SELECT :a", { b: 1 }), /parameter :a has no value/);
  await assert.rejects(db.query("SELECT ?", { a: 1 }), /takes an array of values/);
  await assert.rejects(db.query("SELECT 1", 7), { code: "invalid_argument", message: /an array, or an object/ });
  await db.close();
});

for (const [what, failing] of Object.entries({
  "never answers": () => new Promise(() => {}),
  throws: () => {
    throw new Error("the session is over");
  },
  "brings none": async () => undefined,
})) {
  test(`a token callback that ${what} does not keep a database from opening`, async () => {
    const db = await device(fresh(), { token: failing });
    await db.exec("INSERT INTO notes(id) VALUES('1')");
    await until("the reason shows", () => db.status.value.cause === "no_token" && db.status.value.pending === 1);
    assert.equal(db.status.value.status, "connecting");
    assert.deepEqual(await db.query("SELECT id FROM notes"), [{ id: "1" }]);
    await db.close();
  });
}

test("a token callback that failed once is asked again", async () => {
  let asked = 0;
  const db = await device(fresh(), {
    token: () => {
      if (++asked === 1) throw new Error("the session is over");
      return "any will do here";
    },
  });
  await db.exec("INSERT INTO notes(id) VALUES('1')");
  await until("green", () => db.status.value.status === "synced");
  assert.equal(asked, 2);
  await db.close();
});

test("a write and its place in the outbox are one transaction", async () => {
  const db = await open({ name: ":memory:", schema });
  await assert.rejects(
    db.transaction(async (tx) => {
      await tx.exec("INSERT INTO notes(id) VALUES('1')");
      throw new Error("no");
    }),
    /no/,
  );
  assert.deepEqual(await db.query("SELECT * FROM syncline_changes"), []);
  await db.transaction(async (tx) => {
    await tx.exec("INSERT INTO notes(id) VALUES('1')");
    assert.equal((await tx.get("SELECT count(*) AS n FROM notes")).n, 1);
    await tx.exec("INSERT INTO notes(id) VALUES('2')");
  });
  const changes = await db.query("SELECT state FROM syncline_changes");
  assert.deepEqual(changes, [{ state: "pending" }]);
  await until("the status counts it", () => db.status.value.pending === 1);
  await db.close();
});

test("others wait while a transaction is open", async () => {
  const db = await open({ name: ":memory:", schema });
  let outside;
  await db.transaction(async (tx) => {
    await tx.exec("INSERT INTO notes(id) VALUES('1')");
    outside = db.get("SELECT count(*) AS n FROM notes");
    await tx.exec("INSERT INTO notes(id) VALUES('2')");
  });
  assert.equal((await outside).n, 2);
  await assert.rejects(db.exec("BEGIN"), /use transaction/);
  assert.equal((await db.get("SELECT count(*) AS n FROM notes")).n, 2);
  await db.close();
});

test("tables and collections read and write without SQL", async () => {
  const db = await open({ name: ":memory:", schema: { ...schema, things: "collection" } });
  const table = db.table("notes");
  await table.put({ id: "1", body: "milk" });
  await table.put({ id: "1", body: "oat milk" });
  assert.equal(await table.update("1", { likes: 2 }), true);
  assert.equal(await table.update("9", { likes: 2 }), false);
  assert.deepEqual(await table.get("1"), { id: "1", body: "oat milk", likes: 2 });
  assert.equal((await table.query({ where: { likes: 2 }, orderBy: "id desc", limit: 5 })).length, 1);
  assert.equal(await table.delete("1"), true);
  assert.equal(await table.get("1"), undefined);
  const things = db.collection("things");
  const id = await things.put({ name: "chair", legs: 4 });
  await things.update(id, { legs: 3, colour: "red" });
  assert.deepEqual(await things.get(id), { id, name: "chair", legs: 3, colour: "red" });
  assert.equal((await things.query({ legs: 3 })).length, 1);
  assert.equal((await things.query({ legs: 4 })).length, 0);
  await db.close();
});

test("a live query tells its first result and then each change", async () => {
  const db = await open({ name: ":memory:", schema });
  const seen = [];
  const stop = db.live("SELECT body FROM notes ORDER BY id").subscribe((rows) => seen.push(rows.map((row) => row.body)));
  await until("the first result", () => seen.length === 1);
  await db.exec("INSERT INTO notes(id, body) VALUES('1', 'a')");
  await until("the insert", () => seen.length === 2);
  stop();
  assert.deepEqual(seen, [[], ["a"]]);
  const live = db.table("notes").live({ orderBy: "id" });
  const iterator = live[Symbol.asyncIterator]();
  assert.equal((await iterator.next()).value.length, 1);
  await db.exec("INSERT INTO notes(id, body) VALUES('2', 'b')");
  assert.equal((await iterator.next()).value.length, 2);
  await iterator.return();
  await assert.rejects(db.live("SELECT * FROM nowhere").first(), /no such table/);
  await db.close();
});

test("two devices and a server: rows, counters, events, green", async () => {
  const workspace = fresh();
  const left = await device(workspace);
  const names = new Set();
  left.on("*", ({ name }) => names.add(name));
  await left.exec("INSERT INTO notes(id, body) VALUES('1', 'hello')");
  await left.synced();
  const right = await device(workspace);
  await right.synced();
  assert.equal((await right.get("SELECT body FROM notes")).body, "hello");
  await Promise.all([
    left.exec("UPDATE notes SET likes = likes + 1"),
    right.exec("UPDATE notes SET likes = likes + 2"),
  ]);
  await until("both count three", async () => {
    const counts = await Promise.all([left, right].map((db) => db.get("SELECT likes FROM notes")));
    return counts.every(({ likes }) => likes === 3);
  });
  await left.synced();
  assert.equal(left.status.value.pending, 0);
  for (const name of ["sync.op:action:captured", "sync.push:action:after", "sync.subscription:action:statusChange"]) {
    assert.ok(names.has(name), name);
  }
  await left.close();
  await right.close();
});

test("pausing keeps writes, and they go when it ends", async () => {
  const workspace = fresh();
  const left = await device(workspace);
  const right = await device(workspace);
  await left.synced();
  await left.pause();
  await until("the status says so", () => left.status.value.status === "disconnected");
  await left.exec("INSERT INTO notes(id, body) VALUES('1', 'offline')");
  await until("one is pending", () => left.status.value.pending === 1);
  await right.synced();
  assert.deepEqual(await right.query("SELECT * FROM notes"), []);
  await left.resume();
  await until("it arrived", async () => (await right.query("SELECT * FROM notes")).length === 1);
  await left.close();
  await right.close();
});

test("presence is shown to the others and goes with the connection", async () => {
  const workspace = fresh();
  const left = await device(workspace);
  const right = await device(workspace);
  await Promise.all([left.synced(), right.synced()]);
  await left.setPresence("who", { name: "Ann" });
  await until("the other sees it", () => right.presence.value.some(({ value }) => value.name === "Ann"));
  assert.equal(right.presence.value[0].replica, left.status.value.replica);
  await left.pause();
  await until("it goes with the connection", () => right.presence.value.length === 0);
  await left.resume();
  await until("it comes back with it", () => right.presence.value.some(({ value }) => value.name === "Ann"));
  await left.close();
  await until("it is gone", () => right.presence.value.length === 0);
  await right.close();
});

test("a file keeps rows and outbox from one process to the next", async () => {
  const workspace = fresh();
  const name = path.join(temporaryFolder(), "notes.db");
  const first = await device(workspace, { name, paused: true });
  await first.exec("INSERT INTO notes(id, body) VALUES('1', 'kept')");
  await assert.rejects(device(workspace, { name }), /is open in process/);
  await first.close();
  const again = await device(workspace, { name });
  assert.equal(again.status.value.storage, "file");
  await again.synced();
  await again.close();
  const other = await device(workspace);
  await other.synced();
  assert.equal((await other.get("SELECT body FROM notes")).body, "kept");
  await other.close();
});

test("a copy of a database becomes a device of its own", async () => {
  const workspace = fresh();
  const left = await device(workspace);
  await left.exec("INSERT INTO notes(id, body) VALUES('1', 'one')");
  await left.synced();
  const copy = await device(workspace, { from: await left.exportFile() });
  await left.exec("INSERT INTO notes(id, body) VALUES('2', 'two')");
  await copy.exec("INSERT INTO notes(id, body) VALUES('3', 'three')");
  for (const db of [left, copy]) {
    await until("all three are here", async () => (await db.query("SELECT id FROM notes")).length === 3);
  }
  assert.notEqual(left.status.value.replica, copy.status.value.replica);
  await left.close();
  await copy.close();
});

test("a server that is gone turns green off within the bound, and unsent work goes to its successor", async () => {
  const own = await startServer();
  const db = await device("w", { url: own.url });
  await db.synced();
  await own.stop("SIGKILL");
  await until("green is off", () => db.status.value.status !== "synced", 30_000);
  await db.exec("INSERT INTO notes(id, body) VALUES('1', 'late')");
  // Rebuilt: the same address, nothing of what it knew.
  const rebuilt = await startServer({ port: own.port });
  await db.sync();
  await db.synced();
  const other = await device("w", { url: own.url });
  await other.synced();
  assert.equal((await other.get("SELECT body FROM notes")).body, "late");
  await db.close();
  await other.close();
  await rebuilt.stop();
});

test("unsent work is exported and taken in elsewhere", async () => {
  const left = await open({ name: ":memory:", schema });
  await left.exec("INSERT INTO notes(id, body) VALUES('1', 'unsent')");
  const file = await left.exportPending();
  const right = await open({ name: ":memory:", schema });
  await right.importPending(file);
  assert.equal((await right.get("SELECT body FROM notes")).body, "unsent");
  await left.close();
  await right.close();
});

test("a schema gains columns, and the server takes the newer one", async () => {
  const name = path.join(temporaryFolder(), "notes.db");
  const first = await open({ name, schema });
  await first.exec("INSERT INTO notes(id) VALUES('1')");
  await first.close();
  const again = await open({ name, schema: { notes: { columns: { ...notes.notes, done: "INTEGER" }, merge: "likes=counter" } } });
  await again.exec("UPDATE notes SET done = 1");
  assert.equal((await again.get("SELECT done FROM notes")).done, 1);
  await again.close();
});

test("a provider in memory carries changes between two databases", async () => {
  const hub = new MemoryHub();
  const dbs = await Promise.all([1, 2].map(() => open({ name: ":memory:", schema })));
  const syncs = [new ProviderSync(dbs[0], makeProvider("memory", { hub })), new ProviderSync(dbs[1], new MemoryProvider(hub, 1))];
  for (const sync of syncs) await sync.start();
  for (let i = 0; i < 5; i++) await dbs[i % 2].exec("INSERT INTO notes(id, body) VALUES(?1, 'x')", [`${i}`]);
  for (const db of dbs) await until("all five", async () => (await db.query("SELECT * FROM notes")).length === 5);
  await until("nothing waits", () => dbs.every((db) => db.status.value.pending === 0));
  for (const sync of syncs) sync.stop();
  for (const db of dbs) await db.close();
});

test("a provider over HTTP does so through a gateway that fails now and then", async () => {
  const log = [];
  let calls = 0;
  const gateway = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (++calls % 3 === 0) {
      response.writeHead(503).end();
      return;
    }
    const url = new URL(request.url, "http://gateway");
    let answer = {};
    if (url.pathname === "/push") for (const change of JSON.parse(body).changes) log.push(change.parts);
    if (url.pathname === "/pull") {
      const cursor = Number(url.searchParams.get("cursor"));
      const some = log.slice(cursor, cursor + 2);
      answer = { parts: some.flat(), cursor: cursor + some.length, more: cursor + some.length < log.length };
    }
    response.end(JSON.stringify(answer));
  });
  await new Promise((done) => gateway.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${gateway.address().port}`;
  const dbs = await Promise.all([1, 2].map(() => open({ name: ":memory:", schema })));
  const syncs = dbs.map((db) => new ProviderSync(db, new HttpGatewayProvider({ url })));
  for (let i = 0; i < 4; i++) await dbs[i % 2].exec("INSERT INTO notes(id, body) VALUES(?1, 'x')", [`${i}`]);
  for (const sync of syncs) await sync.start().catch(() => {});
  for (const db of dbs) {
    await until("all four", async () => {
      for (const sync of syncs) await sync.sync().catch(() => {});
      return (await db.query("SELECT * FROM notes")).length === 4;
    });
  }
  for (const sync of syncs) sync.stop();
  for (const db of dbs) await db.close();
  gateway.close();
});

test("queued requests wait for their server, survive a restart, and are done once", async () => {
  const name = path.join(temporaryFolder(), "queue.db");
  const asked = [];
  let isUp = false;
  const app = http.createServer(async (request, response) => {
    if (!isUp) {
      response.writeHead(503).end();
      return;
    }
    let body = "";
    for await (const chunk of request) body += chunk;
    asked.push([request.headers["idempotency-key"], body]);
    response.end("thanks");
  });
  await new Promise((done) => app.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${app.address().port}/order`;
  const first = await open({ name });
  void first.queueRequest({ url, body: { n: 1 }, key: "one" });
  void first.queueRequest({ url, body: "two", key: "two" });
  await until("both are kept", async () => (await first.get("SELECT count(*) AS n FROM syncline_page_queue")).n === 2);
  await first.close();
  isUp = true;
  const again = await open({ name });
  const outcome = await again.queueRequest({ url, body: "two", key: "two" });
  assert.deepEqual([outcome.ok, outcome.body], [true, "thanks"]);
  assert.deepEqual(asked, [["one", '{"n":1}'], ["two", "two"]]);
  assert.equal((await again.queueRequest({ url, body: "two", key: "two" })).body, "thanks");
  assert.equal(asked.length, 2);
  await again.close();
  app.close();
});

test("a token that is not wanted any more is asked for again", async () => {
  const folder = temporaryFolder();
  const key = path.join(folder, "secret");
  fs.writeFileSync(key, Buffer.alloc(32, 7).toString("base64"));
  const { createHmac } = await import("node:crypto");
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const sign = (claims) => {
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", Buffer.alloc(32, 7).toString("base64")).update(text).digest("base64url")}`;
  };
  const own = await startServer({ flags: ["--key-file", key] });
  let asked = 0;
  const { execFileSync } = await import("node:child_process");
  const { program } = await import("./server.mjs");
  const good = path.join(folder, "token");
  execFileSync(program, ["token", "--key-file", key, "--subject", "ann", "--workspace", "team", "--to", good]);
  const db = await device("team", {
    url: own.url,
    token: () => (++asked === 1 ? sign({ sub: "nobody" }) : fs.readFileSync(good, "utf8").trim()),
  });
  await db.exec("INSERT INTO notes(id) VALUES('1')");
  await until("it was asked for again", () => asked === 2);
  await until("green", () => db.status.value.status === "synced");
  await db.close();
  await own.stop();
});
