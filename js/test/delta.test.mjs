// The small client of the JSON delta door, with a real server at the other end.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { after, before } from "node:test";
import WebSocket from "ws";
import { DeltaClient, FileDeltaStore, MemoryDeltaStore } from "../dist/delta.js";
import { open, WebSocketTransport } from "../dist/node.js";
import { program, startServer, temporaryFolder, until } from "./server.mjs";

let server;
let workspaces = 0;
before(async () => (server = await startServer()));
after(async () => server.stop());
const fresh = () => `delta${++workspaces}-${process.pid}`;

// Time that only moves when the test says so.
class Clock {
  ms = 1_000_000;
  waiting = new Map();
  count = 0;
  set(run, ms) {
    this.waiting.set(++this.count, { at: this.ms + ms, run });
    return this.count;
  }
  clear(timer) {
    this.waiting.delete(timer);
  }
  now() {
    return this.ms;
  }
  random() {
    return 1;
  }
  pass(ms) {
    this.ms += ms;
    for (const [timer, { at, run }] of [...this.waiting]) {
      if (at <= this.ms) {
        this.waiting.delete(timer);
        run();
      }
    }
  }
  // Of everything but the interval.
  next() {
    return Math.min(...[...this.waiting.values()].map((one) => one.at)) - this.ms;
  }
}

// A door that answers as the test wants.
function answers(...replies) {
  const sent = [];
  const ask = async (_url, options) => {
    sent.push(JSON.parse(options.body));
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    if (reply instanceof Error) {
      throw reply;
    }
    if (reply instanceof Response) {
      return reply.clone();
    }
    return Response.json(typeof reply === "function" ? reply(sent.at(-1)) : reply);
  };
  return { sent, ask };
}
const fine = (body) => ({
  newChanges: [], conflicts: [], rejected: [], latestServerVersion: 1, hasMore: false, lineage: "x",
  accepted: body.changes.map(({ changeId }) => ({ changeId, serverVersion: 1 })),
});

function client(workspace, store = new MemoryDeltaStore(), more = {}) {
  return DeltaClient.open({ url: `${server.url}/api/sync/v2`, workspace, store, ...more });
}
async function alone(ask, more = {}) {
  const timers = new Clock();
  const made = await DeltaClient.open({ url: "http://door", store: new MemoryDeltaStore(), fetch: ask, timers, ...more });
  return { timers, made };
}

test("what one writes the other reads, offline and on", async () => {
  const name = fresh();
  const [a, b] = [await client(name), await client(name)];
  await a.create("notes", "1", { body: "one", likes: 1 });
  assert.deepEqual(a.get("notes", "1"), { body: "one", likes: 1 });
  assert.equal(b.get("notes", "1"), undefined);
  await a.sync();
  await b.sync();
  assert.deepEqual(b.get("notes", "1"), { body: "one", likes: 1 });
  await a.update("notes", "1", { body: "a's" });
  await b.update("notes", "1", { likes: 2 });
  await b.create("notes", "2", { body: "two" });
  await b.delete("notes", "2");
  for (const one of [a, b, a]) {
    await one.sync();
  }
  assert.deepEqual(a.list("notes"), [{ id: "1", data: { body: "a's", likes: 2 } }]);
  assert.deepEqual(b.list("notes"), a.list("notes"));
  await Promise.all([a.close(), b.close()]);
});

test("a conflict reaches its author with both values", async () => {
  const name = fresh();
  const [a, b] = [await client(name), await client(name)];
  await a.create("notes", "1", { body: "one" });
  await a.sync();
  await b.sync();
  const heard = [];
  b.on("conflict", (conflict) => heard.push(conflict));
  await b.update("notes", "1", { body: "b's" });
  await a.update("notes", "1", { body: "a's" });
  await a.sync();
  await b.sync();
  assert.deepEqual(heard[0].fields, { body: { yours: "b's", theirs: "a's" } });
  await a.sync();
  assert.equal(a.get("notes", "1").body, "b's");
  await Promise.all([a.close(), b.close()]);
});

test("a rejected change is taken back, and says why", async () => {
  const name = fresh();
  const a = await client(name);
  const heard = [];
  a.on("rejected", (rejection) => heard.push(rejection));
  await a.create("notes", "1", { body: "one" });
  await a.create("notes", "2", { n: { base64: "not base64" } });
  assert.notEqual(a.get("notes", "2"), undefined);
  await a.sync();
  assert.equal(a.get("notes", "2"), undefined);
  assert.deepEqual(a.get("notes", "1"), { body: "one" });
  assert.equal(heard[0].code, "invalid_argument");
  assert.equal(heard[0].change.entityId, "2");
  assert.deepEqual(a.getLocalStats().pending, 0);
  await a.close();
});

test("the queue survives the program, and a line that was cut short", async () => {
  const file = path.join(temporaryFolder(), "queue.jsonl");
  const name = fresh();
  const first = await client(name, new FileDeltaStore(file));
  await first.create("notes", "1", { body: "kept" });
  await first.sync();
  await first.update("notes", "1", { body: "queued" });
  const id = first.deviceId;
  await first.close();
  fs.appendFileSync(file, '[{"kind":"queue","key":"x","val');
  const second = await client(name, new FileDeltaStore(file));
  assert.equal(second.deviceId, id);
  assert.equal(second.get("notes", "1").body, "queued");
  assert.equal(second.getAllPendingChanges().length, 1);
  assert.equal(JSON.parse(second.export()).changes[0].data.body, "queued");
  await second.sync();
  const third = await client(name);
  await third.sync();
  assert.equal(third.get("notes", "1").body, "queued");
  await Promise.all([second.close(), third.close()]);
});

test("an answer that got lost changes nothing twice", async () => {
  const name = fresh();
  let drop = true;
  const flaky = async (...ask) => {
    const reply = await fetch(...ask);
    if (drop) {
      drop = false;
      throw new TypeError("connection reset");
    }
    return reply;
  };
  const a = await client(name, new MemoryDeltaStore(), { fetch: flaky });
  await a.create("notes", "1", { body: "one" });
  await a.sync();
  assert.equal(a.getLocalStats().pending, 1);
  await a.sync();
  assert.deepEqual(a.getLocalStats().pending, 0);
  const b = await client(name);
  await b.sync();
  assert.deepEqual(b.list("notes"), [{ id: "1", data: { body: "one" } }]);
  await Promise.all([a.close(), b.close()]);
});

test("everything again from the beginning keeps one's own rows and the queue", async () => {
  const name = fresh();
  const [a, b] = [await client(name), await client(name)];
  await a.create("notes", "1", { body: "mine" });
  await a.sync();
  await b.sync();
  await b.create("notes", "2", { body: "theirs" });
  await b.sync();
  await a.update("notes", "2", { body: "never seen, refused if it is not there" });
  await a.forceSync();
  assert.deepEqual(a.list("notes").map((row) => row.id), ["1", "2"]);
  assert.equal(a.get("notes", "1").body, "mine");
  await Promise.all([a.close(), b.close()]);
});

test("a write syncs after five seconds of quiet, and every thirty seconds anyway", async () => {
  const { sent, ask } = answers(fine);
  const { timers, made } = await alone(ask);
  await made.create("notes", "1", {});
  timers.pass(4_000);
  await made.create("notes", "2", {});
  timers.pass(4_999);
  assert.equal(sent.length, 0);
  timers.pass(1);
  await until("it went on", () => sent.length === 1 && made.getLocalStats().pending === 0);
  assert.equal(sent[0].changes.length, 2);
  timers.pass(30_000);
  await until("it went on", () => sent.length === 2);
  await made.close();
});

test("network errors never count, and back off", async () => {
  const { sent, ask } = answers(new TypeError("no network"));
  const { timers, made } = await alone(ask, { intervalMs: 1e12 });
  await made.create("notes", "1", {});
  timers.pass(5_000);
  for (let turn = 1; turn <= 8; turn++) {
    await until("it went on", () => sent.length === turn && timers.waiting.size === 2);
    const wait = timers.next();
    assert.equal(wait, Math.min(1000 * 2 ** (turn - 1), 60_000));
    timers.pass(wait);
  }
  assert.deepEqual(made.getLocalStats(), { pending: 1, failed: 0, lastSync: null });
  await made.close();
});

test("a server that is busy says when to come again", async () => {
  const busy = new Response("{}", { status: 429, headers: { "Retry-After": "7" } });
  const { sent, ask } = answers(busy, fine);
  const { timers, made } = await alone(ask, { intervalMs: 1e12 });
  await made.create("notes", "1", {});
  timers.pass(5_000);
  await until("it went on", () => sent.length === 1 && timers.waiting.size === 2);
  assert.equal(timers.next(), 7_000);
  timers.pass(7_000);
  await until("it went on", () => made.getLocalStats().pending === 0);
  await made.close();
});

test("a change is tried five times, then waits for a person", async () => {
  const { sent, ask } = answers(new Response("broken", { status: 500 }));
  const { timers, made } = await alone(ask, { intervalMs: 1e12 });
  await made.create("notes", "1", { body: "x" });
  timers.pass(5_000);
  for (let turn = 1; turn < 5; turn++) {
    await until("it went on", () => sent.length === turn && timers.waiting.size === 2);
    timers.pass(timers.next());
  }
  await until("it went on", () => made.getLocalStats().failed === 1);
  assert.equal(sent.length, 5);
  assert.equal(timers.waiting.size, 1);
  assert.deepEqual(made.get("notes", "1"), { body: "x" });
  await made.sync();
  assert.equal(sent.length, 6);
  assert.equal(sent[5].changes.length, 1);
  assert.equal(made.getAllPendingChanges()[0].attempts, 1);
  await made.close();
});

test("a batch that is too large goes in halves", async () => {
  const sizes = [];
  const ask = async (_url, { body }) => {
    const asked = JSON.parse(body);
    sizes.push(asked.changes.length);
    return asked.changes.length > 3 ? new Response("", { status: 413 }) : Response.json(fine(asked));
  };
  const { timers, made } = await alone(ask, { intervalMs: 1e12 });
  for (let i = 0; i < 8; i++) {
    await made.create("notes", String(i), {});
  }
  timers.pass(5_000);
  for (let turn = 1; turn <= 2; turn++) {
    await until("it went on", () => sizes.length === turn && timers.waiting.size === 2);
    timers.pass(0);
  }
  await until("it went on", () => made.getLocalStats().pending === 0);
  assert.deepEqual(sizes.slice(0, 3), [8, 4, 2]);
  await made.close();
});

test("JSON, a native replica and the browser's engine edit the same rows, offline and on, and agree", async () => {
  const name = fresh();
  const folder = temporaryFolder();
  const file = path.join(folder, "native.db");
  const sql = path.join(folder, "schema.sql");
  fs.writeFileSync(sql, "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, likes INTEGER);\n");
  const cli = (command, input, ...flags) =>
    execFileSync(program, [command, "--db", file, ...flags], { encoding: "utf8", input, stdio: ["pipe", "pipe", "ignore"] })
      .split("\n").filter(Boolean).map((line) => JSON.parse(line));
  cli("init", "", "--workspace", name, "--schema", sql);
  const native = {
    write: (text) => cli("exec", JSON.stringify({ id: 1, do: "sql", sql: text }) + "\n"),
    sync: () => cli("sync", "", "--server", server.url, "--until-idle", "--timeout", "20s"),
    rows: () => cli("dump", "", "--table", "notes").map(({ key, value }) => [key[0], value.body, value.likes]),
  };
  const schema = { notes: { columns: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT", likes: "INTEGER" } } };
  let engine;
  // Offline unless it is opened with the server's address.
  const page = async (online) => {
    await engine?.close();
    const where = online ? { url: server.url, workspace: name, transport: new WebSocketTransport((url) => new WebSocket(url)) } : {};
    engine = await open({ name: path.join(folder, "page.db"), schema, ...where });
    if (online) {
      await engine.synced();
    }
  };
  const json = await client(name);

  await json.create("notes", "a", { body: "from json", likes: 1 });
  await json.sync();
  native.sync();
  await page(true);
  // All three, without each other.
  await page(false);
  await engine.query("UPDATE notes SET body = 'from the page' WHERE id = 'a'");
  await engine.query("INSERT INTO notes VALUES('p', 'page', 1)");
  native.write("UPDATE notes SET likes = 10 WHERE id = 'a'");
  native.write("INSERT INTO notes VALUES('n', 'native', 2)");
  await json.update("notes", "a", { body: "from json again" });
  await json.create("notes", "j", { body: "json", likes: 3 });
  // One after the other they come back; json is the last to reach the server.
  await page(true);
  native.sync();
  await json.sync();
  await json.update("notes", "p", { likes: 7 });
  await json.delete("notes", "n");
  await json.sync();
  native.sync();
  const wanted = [["a", "from json again", 10], ["j", "json", 3], ["p", "page", 7]];
  assert.deepEqual(native.rows(), wanted);
  assert.deepEqual(json.list("notes").map(({ id, data }) => [id, data.body, data.likes]), wanted);
  await until("the engine has it all", async () => {
    const rows = await engine.query("SELECT id, body, likes FROM notes ORDER BY id");
    return JSON.stringify(rows.map(Object.values)) === JSON.stringify(wanted);
  });
  await Promise.all([engine.close(), json.close()]);
});
