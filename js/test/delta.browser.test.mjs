// The small client of the JSON delta door in a real browser: its queue lies in IndexedDB.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";
import { browserPid, complaints, launch } from "./browser.mjs";
import { startServer, temporaryFolder, until } from "./server.mjs";

const dist = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../dist");
let server;
let browser;

before(async () => {
  const web = temporaryFolder();
  fs.copyFileSync(path.join(dist, "delta.js"), path.join(web, "delta.js"));
  fs.writeFileSync(path.join(web, "index.html"), "<!doctype html><link rel=\"icon\" href=\"data:,\"><title>plain</title>");
  server = await startServer({ flags: ["--demo", "--web", web] });
  browser = await launch();
});
after(async () => {
  await browser?.context.close();
  await server?.stop();
});

async function page(workspace, name) {
  const made = await browser.context.newPage();
  made.errors = complaints(made);
  await made.goto(`${server.url}/`);
  await made.evaluate(
    async ([at, given, store]) => {
      const { DeltaClient } = await import("/delta.js");
      window.client = await DeltaClient.open({ url: at, workspace: given, store });
    },
    [`${server.url}/api/sync/v2`, workspace, name],
  );
  return made;
}

test("changes queued in IndexedDB survive a browser that is killed, and then sync", async () => {
  const first = await page("killed", "phone");
  await first.evaluate(async () => {
    await client.create("notes", "a", { body: "synced" });
    await client.sync();
    await client.update("notes", "a", { body: "queued" });
    await client.create("notes", "b", { body: "queued, too" });
  });
  const profile = browser.profile;
  process.kill(browserPid(profile), "SIGKILL");
  await browser.context.close().catch(() => undefined);
  await until("the profile is free", () => !fs.existsSync(`${profile}/SingletonLock`) || (fs.rmSync(`${profile}/SingletonLock`, { force: true }), true));
  browser = await launch(profile);
  const again = await page("killed", "phone");
  assert.deepEqual(
    await again.evaluate(() => client.getAllPendingChanges().map((change) => [change.entityId, change.data.body])),
    [["a", "queued"], ["b", "queued, too"]],
  );
  assert.equal(await again.evaluate(() => client.get("notes", "a").body), "queued");
  await again.evaluate(() => client.sync());
  const other = await page("killed", "laptop");
  await other.evaluate(() => client.sync());
  assert.deepEqual(await other.evaluate(() => client.list("notes").map((row) => row.data.body)), ["queued", "queued, too"]);
  assert.deepEqual(again.errors, []);
  await Promise.all([again.close(), other.close()]);
});

test("the online and the focus events bring what others wrote", async () => {
  const [a, b] = [await page("events", "a"), await page("events", "b")];
  for (const [number, event] of ["online", "focus"].entries()) {
    await a.evaluate(async (id) => {
      await client.create("notes", id, { body: "x" });
      await client.sync();
    }, event);
    await b.evaluate((name) => window.dispatchEvent(new Event(name)), event);
    await until("b has it", () => b.evaluate((count) => client.list("notes").length === count, number + 1));
  }
  await Promise.all([a.close(), b.close()]);
});
