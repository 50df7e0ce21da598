// What a browser does to pages that nobody looks at: it freezes them, and wakes their service worker.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";
import { launchRaw } from "./raw_browser.mjs";
import { startServer, temporaryFolder, until } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const schema = { notes: { id: "TEXT PRIMARY KEY NOT NULL", likes: "INTEGER DEFAULT 0" } };
let web;
let server;
let browser;

before(async () => {
  web = temporaryFolder();
  for (const name of ["syncline.js", "worker.js", "service_worker.js", "syncline.wasm"]) {
    fs.copyFileSync(path.join(root, "js/dist", name), path.join(web, name));
  }
  fs.writeFileSync(path.join(web, "index.html"), `<!doctype html><title>hidden</title><link rel="icon" href="data:,">`);
  fs.writeFileSync(path.join(web, "sw.js"), `import "./service_worker.js"; onactivate = (event) => event.waitUntil(clients.claim());`);
  server = await startServer({ flags: ["--demo", "--web", web] });
  browser = await launchRaw();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

async function tab(name, workspace, options = {}) {
  const page = await browser.page(`${server.url}/`);
  await until("it is there", () => page.evaluate(() => document.title === "hidden" && document.readyState === "complete"));
  await page.evaluate(async (given) => {
    const { open } = await import("/syncline.js");
    window.db = await open({ url: location.origin, ...given });
  }, { name, workspace, schema, ...options });
  return page;
}
const likes = (page) => page.evaluate(async () => (await window.db.query("SELECT likes FROM notes"))[0].likes);

test("a leader that the browser freezes is replaced, and thaws with nothing lost and nothing done twice", async () => {
  const first = await tab("thaw", "thaw");
  await first.evaluate(() => window.db.exec("INSERT INTO notes(id) VALUES('1')"));
  const second = await tab("thaw", "thaw");
  await until("nobody looks at the first", () => first.evaluate(() => document.visibilityState === "hidden"));
  assert.equal(await first.evaluate(() => window.db.isLeader.value), true);
  await first.evaluate(() => {
    window.heard = [];
    for (const name of ["freeze", "resume"]) document.addEventListener(name, () => window.heard.push(name));
    // Under way when the freeze comes; the rest comes after the thaw.
    window.written = 0;
    window.writing = (async () => {
      for (; window.written < 600; window.written++) await window.db.exec("UPDATE notes SET likes = likes + 1");
    })();
  });
  await until("some are written", async () => (await likes(second)) > 5);
  // Asked of the leader while it is being frozen.
  await second.evaluate(() => {
    window.slowest = 0;
    window.writing = (async () => {
      for (let i = 0; i < 300; i++) {
        const begun = performance.now();
        await window.db.exec("UPDATE notes SET likes = likes + 1");
        window.slowest = Math.max(window.slowest, performance.now() - begun);
      }
    })();
  });
  await first.send("Page.setWebLifecycleState", { state: "frozen" });
  await until("the other leads", () => second.evaluate(() => window.db.isLeader.value));
  await second.evaluate(() => window.writing);
  const [frozenAt, heard] = await first.evaluate(() => [window.written, window.heard]);
  assert.deepEqual(heard, ["freeze"]);
  assert.ok(frozenAt < 600, "it was done before the freeze");
  console.log(`takeover from a frozen tab: ${Math.round(await second.evaluate(() => window.slowest))} ms`);
  assert.equal(await first.evaluate(() => window.written), frozenAt);

  await first.send("Page.setWebLifecycleState", { state: "active" });
  await first.evaluate(() => window.writing);
  for (const page of [first, second]) assert.equal(await likes(page), 900);
  assert.equal(await first.evaluate(() => window.db.isLeader.value), false);
  await second.evaluate(() => window.db.synced());
  const other = await tab("thaw-other", "thaw");
  await other.evaluate(() => window.db.synced());
  assert.equal(await likes(other), 900);
});

test("Background Sync: the browser is asked, wakes the service worker, and what was written is delivered", async () => {
  const own = await startServer({ flags: ["--demo", "--web", web] });
  const page = await browser.page(`${own.url}/`);
  const registrations = new Map();
  browser.hear(({ method, params }) => {
    if (method === "ServiceWorker.workerRegistrationUpdated") for (const each of params.registrations) registrations.set(each.scopeURL, each.registrationId);
  });
  await page.send("ServiceWorker.enable");
  await until("it is there", () => page.evaluate(() => document.title === "hidden" && document.readyState === "complete"));
  await page.evaluate(async () => {
    await navigator.serviceWorker.register("/sw.js", { type: "module" });
    await navigator.serviceWorker.ready;
  });
  await page.evaluate(async () => {
    if (!navigator.serviceWorker.controller) await new Promise((done) => (navigator.serviceWorker.oncontrollerchange = done));
  });
  await page.evaluate(async (given) => {
    const { open } = await import("/syncline.js");
    // The timer is out of the way: only the browser's event is left to look again.
    window.db = await open({ ...given, url: location.origin, autoSync: { everyMs: 3_600_000, leastMs: 0 } });
    await window.db.synced();
  }, { name: "background", workspace: "background", schema });
  await own.stop();
  await until("it is noticed", () => page.evaluate(() => window.db.status.value.status === "disconnected"));
  await page.evaluate(() => window.db.exec("INSERT INTO notes(id) VALUES('late')"));
  const pendingTags = () => page.evaluate(async () => (await navigator.serviceWorker.ready).sync.getTags());
  await until("the browser was asked", async () => (await pendingTags()).includes("syncline-sync"));
  await page.evaluate(() => {
    window.asked = 0;
    navigator.serviceWorker.addEventListener("message", ({ data }) => (window.asked += data === "syncline-sync"));
  });
  const again = await startServer({ data: own.data, port: own.port, flags: own.flags });
  const registrationId = await until("it is registered", () => registrations.get(`${own.url}/`));
  await page.send("ServiceWorker.dispatchSyncEvent", { origin: own.url, registrationId, tag: "syncline-sync", lastChance: false });
  await until("the page was asked by its service worker", () => page.evaluate(() => window.asked > 0));
  await until("it is sent", () => page.evaluate(() => window.db.status.value.pending === 0));
  const other = await browser.page(`${again.url}/`);
  await until("it is there", () => other.evaluate(() => document.title === "hidden" && document.readyState === "complete"));
  await other.evaluate(async (given) => {
    const { open } = await import("/syncline.js");
    window.db = await open({ ...given, url: location.origin });
    await window.db.synced();
  }, { name: "background-other", workspace: "background", schema });
  assert.deepEqual(await other.evaluate(() => window.db.query("SELECT id FROM notes")), [{ id: "late" }]);
  await again.stop();
});
