// When a page looks at the server by itself, with a clock, a window and a network of the test's own.
import assert from "node:assert/strict";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, beforeEach, mock, test } from "node:test";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const built = await build({
  entryPoints: [path.join(here, "../src/auto_sync.ts")],
  bundle: true,
  format: "esm",
  write: false,
});
const { AutoSync } = await import(
  `data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString("base64")}`
);

let now;
let reachable;
let probes;
let syncs;
let status;
let auto;

const setGlobal = (name, value) =>
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

function begin(options = {}) {
  const db = {
    status: { get value() { return status; }, subscribe: () => () => {} },
    sync: async () => void syncs++,
  };
  auto = new AutoSync(db, "http://server.example", options);
}

beforeEach(() => {
  auto?.stop();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setInterval"] });
  now = 100_000;
  reachable = true;
  probes = 0;
  syncs = 0;
  status = { status: "disconnected", paused: false, pending: 0 };
  setGlobal("window", new EventTarget());
  setGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  // It says that there is a network, whether or not the server can be reached.
  setGlobal("navigator", { onLine: true });
  setGlobal("performance", { now: () => now });
  setGlobal("fetch", async (url) => {
    probes++;
    assert.equal(String(url), "http://server.example/healthz");
    if (!reachable) throw new TypeError("no route");
    return {};
  });
});
after(() => auto.stop());

/** Lets `ms` pass, and everything that was begun come to its end. */
async function pass(ms) {
  now += ms;
  mock.timers.tick(ms);
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
async function told(target, name) {
  target.dispatchEvent(new Event(name));
  await pass(0);
}

for (const [name, target] of [["focus", () => window], ["online", () => window], ["visibilitychange", () => document]]) {
  test(`${name} makes it look, but not twice within five seconds`, async () => {
    begin();
    await told(target(), name);
    assert.equal(syncs, 1);
    await pass(4999);
    await told(target(), name);
    assert.equal(syncs, 1);
    await pass(1);
    await told(target(), name);
    assert.equal(syncs, 2);
  });
}

test("a page that was hidden is no reason to look", async () => {
  begin();
  document.visibilityState = "hidden";
  await told(document, "visibilitychange");
  assert.equal(probes, 0);
});

test("every thirty seconds it looks by itself", async () => {
  begin();
  await pass(29_999);
  assert.equal(syncs, 0);
  await pass(1);
  assert.equal(syncs, 1);
  await pass(30_000);
  assert.equal(syncs, 2);
});

test("the server is asked, whatever the browser says of the network", async () => {
  begin();
  reachable = false;
  await told(window, "online");
  assert.deepEqual([probes, syncs], [1, 0]);
  reachable = true;
  await pass(5000);
  await told(window, "online");
  assert.deepEqual([probes, syncs], [2, 1]);
});

test("who is paused, in step or cannot be helped by it is left alone", async () => {
  begin();
  for (const value of [
    { status: "disconnected", paused: true },
    { status: "synced", paused: false },
    { status: "syncing", paused: false },
    { status: "incompatible", paused: false },
  ]) {
    status = { ...status, ...value };
    await pass(5000);
    await told(window, "focus");
  }
  assert.deepEqual([probes, syncs], [0, 0]);
});

test("after stop() nothing is heard any more", async () => {
  begin();
  auto.stop();
  await told(window, "focus");
  await pass(60_000);
  assert.equal(probes, 0);
});
