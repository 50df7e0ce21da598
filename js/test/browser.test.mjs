// The package and the demonstration in a real browser, with a real server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";
import zlib from "node:zlib";
import { browserPid, complaints, launch } from "./browser.mjs";
import { program, startServer, temporaryFolder, until } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const pictures = path.join(root, "build/screens");
const schema = {
  notes: { columns: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT", likes: "INTEGER DEFAULT 0" }, merge: ["manual", "likes=counter"] },
};
let web;
let server;
let browser;
let workspaces = 0;
const fresh = () => `w${++workspaces}`;

/** A page with nothing on it but the package. */
function plainPage() {
  const folder = temporaryFolder();
  for (const name of ["syncline.js", "worker.js", "elements.js", "syncline.wasm"]) {
    fs.copyFileSync(path.join(root, "js/dist", name), path.join(folder, name));
  }
  const map = JSON.stringify({ imports: { syncline: "/syncline.js" } });
  fs.writeFileSync(path.join(folder, "index.html"), `<!doctype html><script type="importmap">${map}</script><title>plain</title>`);
  return folder;
}

before(async () => {
  fs.mkdirSync(pictures, { recursive: true });
  web = plainPage();
  server = await startServer({ flags: ["--demo", "--web", web] });
  browser = await launch();
});
after(async () => {
  await browser?.context.close();
  await server?.stop();
});

async function tab(workspace, { name = "notes", url = server.url, context = browser.context, options = {} } = {}) {
  const page = await context.newPage();
  page.errors = complaints(page);
  await page.goto(`${url}/`);
  await openIn(page, { name, workspace, schema, url, ...options });
  return page;
}

function openIn(page, options) {
  return page.evaluate(async (given) => {
    const { open } = await import("/syncline.js");
    window.db = await open(given);
  }, options);
}

const query = (page, sql, values = []) => page.evaluate(([sql, values]) => window.db.query(sql, values), [sql, values]);
const exec = (page, sql, values = []) => page.evaluate(([sql, values]) => window.db.exec(sql, values), [sql, values]);
const status = (page) => page.evaluate(() => window.db.status.value);
const synced = (page) => page.evaluate(() => window.db.synced());
const count = async (page) => (await query(page, "SELECT count(*) AS n FROM notes"))[0].n;

test("offline edits survive a reload and a browser that is killed, and then sync", async () => {
  const workspace = fresh();
  const own = await launch();
  let page = await tab(workspace, { name: "kept", context: own.context, options: { paused: true } });
  await exec(page, "INSERT INTO notes(id, body) VALUES('1', 'before the reload')");
  await page.reload();
  await openIn(page, { name: "kept", workspace, schema, url: server.url, paused: true });
  assert.equal((await status(page)).storage, "opfs");
  await exec(page, "INSERT INTO notes(id, body) VALUES('2', 'before the kill')");
  process.kill(browserPid(own.profile), "SIGKILL");
  await own.context.close().catch(() => {});
  const again = await launch(own.profile);
  page = await tab(workspace, { name: "kept", context: again.context });
  await synced(page);
  assert.equal((await status(page)).pending, 0);
  await again.context.close();
  const other = await tab(workspace, { name: "other" });
  await synced(other);
  assert.deepEqual((await query(other, "SELECT body FROM notes ORDER BY id")).map(({ body }) => body), ["before the reload", "before the kill"]);
  await other.close();
});

test("tabs share one database, and another one takes over when the leader is closed or crashes", async () => {
  const workspace = fresh();
  // A crash takes along whatever else the browser put into that process.
  const own = await launch();
  const tabs = [];
  for (let i = 0; i < 3; i++) tabs.push(await tab(workspace, { name: "shared", context: own.context }));
  assert.deepEqual(await Promise.all(tabs.map((page) => page.evaluate(() => window.db.isLeader.value))), [true, false, false]);
  await tabs[1].evaluate(() => {
    window.seen = [];
    window.db.live("SELECT count(*) AS n FROM notes").subscribe(([{ n }]) => window.seen.push(n));
  });
  await exec(tabs[0], "INSERT INTO notes(id) VALUES('from the leader')");
  await exec(tabs[2], "INSERT INTO notes(id) VALUES('from a follower')");
  await until("the live query of another tab", () => tabs[1].evaluate(() => window.seen.at(-1) === 2));

  for (const how of ["close", "crash"]) {
    const leader = tabs.shift();
    // Writes that are under way when the leader goes, each of which may count only once.
    const id = `during the ${how}`;
    await tabs[0].evaluate((id) => window.db.exec("INSERT INTO notes(id, likes) VALUES(?1, 0)", [id]), id);
    const writing = tabs[0].evaluate(async (id) => {
      const begun = performance.now();
      let slowest = 0;
      for (let i = 0; i < 60; i++) {
        const before = performance.now();
        await Promise.all([1, 2, 3].map(() => window.db.exec("UPDATE notes SET likes = likes + 1 WHERE id = ?1", [id])));
        slowest = Math.max(slowest, performance.now() - before);
      }
      return { slowest, all: performance.now() - begun };
    }, id);
    await until("some are written", async () => (await query(tabs[1] ?? tabs[0], "SELECT likes FROM notes WHERE id = ?1", [id]))[0].likes > 5);
    if (how === "close") await leader.close();
    else await leader.goto("chrome://crash").catch(() => {});
    const { slowest } = await writing;
    assert.equal((await query(tabs[0], "SELECT likes FROM notes WHERE id = ?1", [id]))[0].likes, 180, how);
    console.log(`takeover after a ${how}: ${Math.round(slowest)} ms`);
    assert.ok(slowest < 5000, `${how} took ${slowest} ms`);
  }
  await until("the last tab leads", () => tabs[0].evaluate(() => window.db.isLeader.value));
  await synced(tabs[0]);
  await own.context.close();
});

test("a tab that the browser freezes lets another one lead", async () => {
  const workspace = fresh();
  const own = await launch();
  const [first, second] = [await tab(workspace, { name: "frozen", context: own.context }), await tab(workspace, { name: "frozen", context: own.context })];
  await exec(first, "INSERT INTO notes(id, likes) VALUES('1', 0)");
  // What the browser tells a page just before; hidden.test.mjs freezes one.
  await first.evaluate(() => document.dispatchEvent(new Event("freeze")));
  await exec(second, "UPDATE notes SET likes = likes + 1");
  await until("the other leads", () => second.evaluate(() => window.db.isLeader.value));
  await first.evaluate(() => document.dispatchEvent(new Event("resume")));
  await exec(first, "UPDATE notes SET likes = likes + 1");
  assert.equal((await query(first, "SELECT likes FROM notes"))[0].likes, 2);
  await own.context.close();
});

test("a transaction of a tab that goes is rolled back, and nobody waits for it", async () => {
  const workspace = fresh();
  const [leader, guest] = [await tab(workspace, { name: "tx" }), await tab(workspace, { name: "tx" })];
  await guest.evaluate(() => {
    void window.db.transaction(async (tx) => {
      await tx.exec("INSERT INTO notes(id) VALUES('never')");
      window.inside = true;
      await new Promise(() => {});
    });
  });
  await until("it is open", () => guest.evaluate(() => window.inside));
  await guest.close();
  await exec(leader, "INSERT INTO notes(id) VALUES('after')");
  assert.deepEqual(await query(leader, "SELECT id FROM notes"), [{ id: "after" }]);
  await leader.close();
});

test("50 reloads in the middle of writes lose nothing", async () => {
  const workspace = fresh();
  const page = await tab(workspace, { name: "reloads" });
  const answered = new Set();
  await page.exposeFunction("answered", (id) => void answered.add(id));
  for (let round = 0; round < 50; round++) {
    await page.evaluate((round) => {
      const write = async () => {
        for (let i = 0; ; i++) {
          const id = `${round}-${i}`;
          await window.db.exec("INSERT INTO notes(id, body) VALUES(?1, 'x')", [id]);
          await window.answered(id);
        }
      };
      void write();
    }, round);
    await until("a write was answered", () => [...answered].some((id) => id.startsWith(`${round}-`)));
    await page.reload();
    await openIn(page, { name: "reloads", workspace, schema, url: server.url });
  }
  const here = new Set((await query(page, "SELECT id FROM notes")).map(({ id }) => id));
  assert.deepEqual([...answered].filter((id) => !here.has(id)), []);
  await synced(page);
  const other = await tab(workspace, { name: "reloads-other" });
  await synced(other);
  assert.equal(await count(other), here.size);
  assert.deepEqual(page.errors, []);
  await page.close();
  await other.close();
});

test("green turns off within the freshness bound when the server dies, and never lies", async (t) => {
  const own = await startServer({ flags: ["--demo", "--web", web] });
  const page = await tab("w", { name: "green", url: own.url });
  await synced(page);
  // Frozen, not gone: the connection stays, and only heartbeats are missing.
  own.child.kill("SIGSTOP");
  const stopped = Date.now();
  await until("green is off", async () => (await status(page)).status !== "synced", 30_000);
  // The bound itself is held to the millisecond in src/session/client_session_test.cc, with a clock that
  // no busy machine delays.
  t.diagnostic(`green was off after ${(Date.now() - stopped) / 1000} s`);
  await exec(page, "INSERT INTO notes(id) VALUES('1')");
  assert.notEqual((await status(page)).status, "synced");
  await until("it is pending", async () => (await status(page)).pending === 1);
  own.child.kill("SIGCONT");
  await synced(page);
  assert.equal((await status(page)).pending, 0);
  await page.close();
  await own.stop();
});

test("stuck detection on an incompatible database", async () => {
  const workspace = fresh();
  const good = await tab(workspace, { name: "good" });
  await exec(good, "INSERT INTO notes(id, body) VALUES('1', 'x')");
  await synced(good);
  const other = { notes: { columns: { other: "INTEGER PRIMARY KEY NOT NULL", id: "TEXT", body: "TEXT" } } };
  const page = await tab(workspace, { name: "bad", options: { schema: other } });
  await page.evaluate(async () => {
    await import("/elements.js");
    for (const name of ["status", "recovery"]) document.body.append(document.createElement(`syncline-${name}`));
    for (const element of document.body.children) element.db = window.db;
  });
  await exec(page, "INSERT INTO notes(other, id) VALUES(1, 'unsent')");
  await until("it says incompatible", async () => (await status(page)).status === "incompatible");
  const told = await status(page);
  assert.equal(told.cause, "schema_incompatible");
  assert.ok(told.message.length > 10 && told.advice.length > 10, JSON.stringify(told));
  await page.locator("syncline-recovery button.export").waitFor();
  assert.equal(await page.locator("syncline-status .badge").getAttribute("data-state"), "incompatible");
  const downloading = page.waitForEvent("download");
  await page.locator("syncline-recovery button.export").click();
  const file = await (await downloading).path();
  assert.equal(fs.readFileSync(file).subarray(0, 4).toString(), "SLC1");
  await page.screenshot({ path: path.join(pictures, "incompatible.png") });
  await page.close();
  await good.close();
});

test("who is signed out is told so, keeps unsent work, and goes on with a new token", async () => {
  const folder = temporaryFolder();
  const secret = path.join(folder, "secret");
  fs.writeFileSync(secret, "a secret of more than thirty-two bytes, for tests");
  const own = await startServer({ flags: ["--key-file", secret, "--allow-origin", server.url] });
  const page = await tab(fresh(), { name: "stuck" });
  await page.evaluate(async ([url, schema]) => {
    await window.db.close();
    const { open } = await import("/syncline.js");
    window.token = "";
    window.asked = 0;
    const token = () => {
      window.asked++;
      return window.token;
    };
    window.db = await open({ name: "signed-out", workspace: "team", schema, url, token });
    await import("/elements.js");
    for (const name of ["status", "recovery"]) document.body.append(document.createElement(`syncline-${name}`));
    for (const element of document.body.children) element.db = window.db;
  }, [own.url, schema]);
  await exec(page, "INSERT INTO notes(id, body) VALUES('1', 'unsent')");
  const box = page.locator("syncline-recovery");
  await box.getByText("You are signed out").waitFor();
  await box.getByText("1 change of yours is not sent yet").waitFor();
  const told = await status(page);
  assert.equal(told.status, "stuck");
  assert.equal(told.cause, "not_allowed");
  assert.equal(await page.locator("syncline-status .badge").getAttribute("data-state"), "stuck");
  assert.ok((await page.evaluate(() => window.asked)) > 0, "nobody asked for a token");
  await page.screenshot({ path: path.join(pictures, "stuck.png") });
  const downloading = page.waitForEvent("download");
  await box.locator("button.export").click();
  assert.equal(fs.readFileSync(await (await downloading).path()).subarray(0, 4).toString(), "SLC1");
  const minted = path.join(folder, "token");
  execFileSync(program, ["token", "--key-file", secret, "--subject", "ann", "--workspace", "team", "--to", minted]);
  await page.evaluate((token) => (window.token = token), fs.readFileSync(minted, "utf8").trim());
  await box.locator("button.resync").click();
  await until("it goes on", async () => (await status(page)).status === "synced");
  await until("the box is gone", async () => !(await box.isVisible()));
  assert.equal((await status(page)).pending, 0);
  assert.equal(await count(page), 1);
  await page.close();
  await own.stop();
});

test("local changes survive reconnection", async () => {
  const workspace = fresh();
  const [left, right] = [await tab(workspace, { name: "left" }), await tab(workspace, { name: "right" })];
  await Promise.all([synced(left), synced(right)]);
  await left.evaluate(() => window.db.pause());
  for (let i = 0; i < 20; i++) await exec(left, "INSERT INTO notes(id, body) VALUES(?1, 'offline')", [`${i}`]);
  await exec(right, "INSERT INTO notes(id, body) VALUES('online', 'meanwhile')");
  await left.evaluate(() => window.db.resume());
  await synced(left);
  await until("both have all", async () => (await count(left)) === 21 && (await count(right)) === 21);
  await left.close();
  await right.close();
});

test("the request queue and Web Locks need no network to remember", async () => {
  const page = await tab(fresh(), { name: "queue" });
  let calls = 0;
  await page.route("**/order", (route) => {
    calls++;
    return calls < 2 ? route.abort() : route.fulfill({ status: 200, body: "thanks" });
  });
  const outcome = await page.evaluate(() => window.db.queueRequest({ url: "/order", body: { n: 1 } }));
  assert.deepEqual([outcome.status, outcome.body, calls], [200, "thanks", 2]);
  await page.close();
});

test("a custom transport in the page carries the frames", async () => {
  const workspace = fresh();
  const page = await browser.context.newPage();
  await page.goto(`${server.url}/`);
  const frames = await page.evaluate(async ([workspace, schema]) => {
    const { open, WebSocketTransport } = await import("/syncline.js");
    const inner = new WebSocketTransport();
    let frames = 0;
    const transport = {
      dial: (url, events) =>
        inner.dial(url, { ...{ open: () => events.open(), closed: (why) => events.closed(why) }, frame: (frame) => (frames++, events.frame(frame)) }),
    };
    const db = await open({ name: "own", workspace, schema, url: location.origin, transport });
    await db.exec("INSERT INTO notes(id) VALUES('1')");
    await db.synced();
    await db.close();
    return frames;
  }, [workspace, schema]);
  assert.ok(frames > 0);
  await page.close();
});

test("without storage it works in memory, and says so", async () => {
  const page = await tab(fresh(), { name: "memory", options: { storage: "memory" } });
  await exec(page, "INSERT INTO notes(id) VALUES('1')");
  assert.equal((await status(page)).storage, "memory");
  await synced(page);
  await page.close();
});

test("the page of the documentation is a synced list in under twenty lines", async () => {
  const text = fs.readFileSync(path.join(root, "docs/browser.md"), "utf8");
  const html = /```html\n(.*?)```/s.exec(text)[1];
  assert.ok(html.trim().split("\n").length < 20);
  const folder = plainPage();
  fs.writeFileSync(path.join(folder, "index.html"), html);
  const own = await startServer({ flags: ["--demo", "--web", folder] });
  const others = await launch();
  const pages = [await browser.context.newPage(), await others.context.newPage()];
  for (const page of pages) {
    page.errors = complaints(page);
    await page.goto(`${own.url}/`);
    await page.locator("syncline-status .word").getByText("Synced").waitFor();
  }
  await pages[0].locator("input").fill("read the documentation");
  await pages[0].locator("input").press("Enter");
  await pages[1].locator("li").getByText("read the documentation").waitFor();
  assert.deepEqual(pages.flatMap((page) => page.errors.filter((error) => !error.includes("favicon") && !error.includes("404"))), []);
  await pages[0].close();
  await others.context.close();
  await own.stop();
});

// The goal is 450 KB, the smaller unit. What keeps replicas from being taken for copies, limits at the write,
// and receipts brought it to 478, what stopped statements wrote and what servers may invent to 483, names that
// two histories have and what waits behind an acknowledgement to 484.8; until it is back there, it must not grow further.
const packageBytesMax = 485_000;

test("everything a page loads stays within its limit with brotli, and starts quickly when warm", async () => {
  const files = ["syncline.js", "worker.js", "elements.js", "syncline.wasm"].map((name) => path.join(web, name));
  const size = files.reduce((sum, file) => sum + zlib.brotliCompressSync(fs.readFileSync(file), { params: { [zlib.constants.BROTLI_PARAM_LGWIN]: 24 } }).length, 0);
  console.log(`the package with brotli: ${(size / 1000).toFixed(1)} KB`);
  assert.ok(size <= packageBytesMax, `${size} bytes`);
  const page = await tab(fresh(), { name: "start" });
  await page.evaluate(() => window.db.close());
  const times = await page.evaluate(async () => {
    const { open } = await import("/syncline.js");
    const out = [];
    for (let i = 0; i < 5; i++) {
      const begun = performance.now();
      const db = await open({ name: "start" });
      await db.query("SELECT count(*) FROM notes");
      out.push(Math.round(performance.now() - begun));
      await db.close();
    }
    return out;
  });
  console.log(`start to first query: ${times.join(", ")} ms`);
  await page.close();
});
