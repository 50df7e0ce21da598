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
  for (const name of ["syncline.js", "worker.js", "syncline.wasm"]) {
    fs.copyFileSync(path.join(root, "js/dist", name), path.join(web, name));
  }
  fs.writeFileSync(path.join(web, "index.html"), `<!doctype html><title>hidden</title><link rel="icon" href="data:,">`);
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
