// What syncing costs in a page, beside plain SQLite on the same storage: node js/test/bench.mjs. Both
// sides take turns in one run, and the median counts.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { startServer, temporaryFolder } from "./server.mjs";

const dist = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../dist");
const folder = temporaryFolder();
for (const name of ["syncline.js", "worker.js", "syncline.wasm"]) fs.copyFileSync(path.join(dist, name), path.join(folder, name));
fs.writeFileSync(path.join(folder, "index.html"), "<!doctype html><title>bench</title>");
const server = await startServer({ flags: ["--demo", "--web", folder] });
const { context } = await launch();
const page = await context.newPage();
await page.goto(`${server.url}/`);

const result = await page.evaluate(async () => {
  const { open, remove } = await import("/syncline.js");
  const sql = "CREATE TABLE rows(id TEXT PRIMARY KEY NOT NULL, name TEXT, number INTEGER, at REAL)";
  const insert = "INSERT INTO rows VALUES(?1, ?2, ?3, ?4)";
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const out = { rows: { plain: [], synced: [] }, commits: { plain: [], synced: [] } };
  let next = 0;
  const values = () => [`key-${next++}`, `name ${next}`, next, next / 3];
  for (let round = 0; round < 5; round++) {
    for (const kind of round % 2 ? ["synced", "plain"] : ["plain", "synced"]) {
      const name = `bench-${kind}-${round}`;
      const db = await open({ name });
      await db.script(sql);
      if (kind === "synced") await db.exec("SELECT syncline_track('rows')");
      const batch = Array.from({ length: 10_000 }, () => [insert, values()]);
      let begun = performance.now();
      await db.batch(batch);
      out.rows[kind].push(performance.now() - begun);
      begun = performance.now();
      for (let i = 0; i < 1000; i++) await db.exec(insert, values());
      out.commits[kind].push(performance.now() - begun);
      await db.close();
      await remove(name);
    }
  }
  const told = {};
  for (const [what, { plain, synced }] of Object.entries(out)) {
    told[what] = { plain_ms: Math.round(median(plain)), synced_ms: Math.round(median(synced)), ratio: +(median(synced) / median(plain)).toFixed(2) };
  }
  return told;
});

result.bootstrap = await page.evaluate(async () => {
  const { open } = await import("/syncline.js");
  const schema = { rows: { id: "TEXT PRIMARY KEY NOT NULL", name: "TEXT", number: "INTEGER" } };
  const options = { schema, url: location.origin, workspace: "bench" };
  const source = await open({ name: "bench-source", ...options });
  for (let part = 0; part < 10; part++) {
    await source.exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) " +
        "INSERT INTO rows SELECT lower(hex(randomblob(8))), 'name ' || i, i FROM n",
    );
  }
  await source.synced(120_000);
  await source.close();
  let longest = 0;
  let last = performance.now();
  let watching = true;
  const watch = (now) => {
    longest = Math.max(longest, now - last);
    last = now;
    if (watching) requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
  const begun = performance.now();
  const db = await open({ name: "bench-target", ...options });
  await db.synced(120_000);
  const seconds = (performance.now() - begun) / 1000;
  watching = false;
  const [{ n }] = await db.query("SELECT count(*) AS n FROM rows");
  await db.close();
  return { rows: n, seconds: +seconds.toFixed(2), longest_frame_ms: Math.round(longest) };
});

console.log(JSON.stringify(result, null, 2));
await context.close();
await server.stop();
process.exit(0);
