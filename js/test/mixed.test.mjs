// One workspace, three doors: a page in a real browser, a native replica on the command line, and a
// client that speaks JSON, all editing the same rows, offline and on.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";
import { launch } from "./browser.mjs";
import { program, startServer, temporaryFolder } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const sql = "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, body TEXT, n INTEGER);";
let server;
let browser;

before(async () => {
  const folder = temporaryFolder();
  for (const name of ["syncline.js", "worker.js", "syncline.wasm"]) {
    fs.copyFileSync(path.join(root, "js/dist", name), path.join(folder, name));
  }
  fs.writeFileSync(path.join(folder, "index.html"), '<!doctype html><meta charset="utf-8"><title>mixed</title><link rel="icon" href="data:,">');
  server = await startServer({ flags: ["--demo", "--web", folder] });
  browser = await launch();
});
after(async () => {
  await browser?.context.close();
  await server?.stop();
});

/** A replica of the command line. */
function phone(workspace) {
  const folder = temporaryFolder();
  const db = path.join(folder, "phone.db");
  fs.writeFileSync(path.join(folder, "schema.sql"), sql);
  const run = (args, input = "") => execFileSync(program, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "inherit"] })
    .split("\n").filter(Boolean).map((line) => JSON.parse(line));
  run(["init", "--db", db, "--workspace", workspace, "--schema", path.join(folder, "schema.sql")]);
  return {
    write(statement) {
      const [answer] = run(["exec", "--db", db], `${JSON.stringify({ id: 1, do: "sql", sql: statement })}\n`);
      assert.equal(answer.ok, true, JSON.stringify(answer));
    },
    sync: () => run(["sync", "--db", db, "--server", server.url, "--until-idle", "--timeout", "20s"]),
    rows: () => Object.fromEntries(run(["dump", "--db", db, "--table", "notes"]).map((row) => [row.key[0], row.value])),
  };
}

/** A client of the JSON door that queues while it is offline, and keeps what it is told. */
function web(workspace) {
  const rows = {};
  let known = 0;
  let queue = [];
  let changes = 0;
  return {
    rows,
    edit(type, entityId, data) {
      queue.push({ changeId: `change-${++changes}`, type, entityType: "notes", entityId, data, timestamp: Date.now(), deviceId: "web" });
    },
    async sync() {
      for (;;) {
        const answer = await (await fetch(`${server.url}/api/sync/v2?workspace=${workspace}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ lastKnownServerVersion: known, deviceId: "web", changes: queue }),
        })).json();
        assert.deepEqual(answer.rejected ?? answer, []);
        queue = [];
        for (const one of answer.newChanges) {
          if (one.type === "DELETED") delete rows[one.entityId];
          else rows[one.entityId] = { ...rows[one.entityId], ...one.data };
        }
        known = answer.latestServerVersion;
        if (!answer.hasMore) return;
      }
    },
  };
}

async function page(workspace) {
  const tab = await browser.context.newPage();
  await tab.goto(`${server.url}/`);
  await tab.evaluate(async (given) => {
    const { open } = await import("/syncline.js");
    window.db = await open({ ...given, schema: { notes: { columns: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT", n: "INTEGER" } } } });
  }, { name: `mixed-${workspace}`, workspace, url: server.url });
  return {
    write: (statement) => tab.evaluate((text) => window.db.exec(text), statement),
    pause: () => tab.evaluate(() => window.db.pause()),
    resume: () => tab.evaluate(() => window.db.resume()),
    sync: () => tab.evaluate(async () => {
      await window.db.sync();
      await window.db.synced();
    }),
    rows: () => tab.evaluate(async () => Object.fromEntries((await window.db.query("SELECT * FROM notes")).map(({ id, ...row }) => [id, row]))),
  };
}

/** JSON leaves out what a row never had. */
const told = (rows) => Object.fromEntries(Object.entries(rows).map(([key, row]) => [key, Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))]));

test("a browser, a native replica and a JSON client converge on the same rows", async () => {
  const workspace = "mixed";
  const tab = await page(workspace);
  const native = phone(workspace);
  const json = web(workspace);
  await tab.write("INSERT INTO notes VALUES('a', 'from the page', 1)");
  await tab.sync();
  native.sync();
  await json.sync();
  assert.deepEqual(native.rows(), { a: { body: "from the page", n: 1 } });

  // Everybody offline, on the same rows.
  await tab.pause();
  for (let round = 0; round < 8; ++round) {
    const key = "abcd"[round % 4];
    await tab.write(`INSERT INTO notes VALUES('${key}', 'page ${round}', ${round}) ON CONFLICT(id) DO UPDATE SET n = excluded.n`);
    native.write(`INSERT INTO notes VALUES('${key}', 'phone ${round}', ${round}) ON CONFLICT(id) DO UPDATE SET body = excluded.body`);
    json.edit(round < 4 && key !== "a" ? "CREATED" : "UPDATED", key, { body: `json ${round}` });
  }
  native.write("DELETE FROM notes WHERE id = 'd'");
  json.edit("CREATED", "e", { body: "only json", n: 5 });
  await tab.write("INSERT INTO notes VALUES('f', 'only the page', 6)");
  native.write("INSERT INTO notes VALUES('g', 'only the phone', 7)");

  // And on again, one after the other, until all have heard all.
  await tab.resume();
  for (let round = 0; round < 3; ++round) {
    await json.sync();
    await tab.sync();
    native.sync();
  }
  await json.sync();
  await tab.sync();
  const rows = native.rows();
  assert.deepEqual(await tab.rows(), rows);
  // A reader of the door that comes now sees the same as one that was there all the time.
  const late = web(workspace);
  await late.sync();
  assert.deepEqual(told(late.rows), told(rows));
  // One's own edits are not told again, and stand as they were made.
  for (const [key, row] of Object.entries(told(json.rows))) {
    assert.deepEqual(row, told(rows)[key], key);
  }
  for (const [key, body] of [["e", "only json"], ["f", "only the page"], ["g", "only the phone"]]) {
    assert.equal(rows[key].body, body);
  }
});
