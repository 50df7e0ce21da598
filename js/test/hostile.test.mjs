// A server that means harm against the package in a real browser: the page lives in bounded memory,
// says what is wrong, keeps what was written over a reload, and syncs with an honest server afterwards.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";
import { WebSocketServer } from "ws";
import { launch } from "./browser.mjs";
import { startServer, temporaryFolder, until } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const schema = { notes: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT" } };
const patienceMs = 60_000;
const profile = temporaryFolder();
let server;
let browser;

before(async () => {
  const web = temporaryFolder();
  for (const name of ["syncline.js", "worker.js", "syncline.wasm"]) fs.copyFileSync(path.join(root, "js/dist", name), path.join(web, name));
  fs.writeFileSync(path.join(web, "index.html"), `<!doctype html><title>hostile</title><link rel="icon" href="data:,">`);
  server = await startServer({ flags: ["--demo", "--web", web] });
  browser = await launch(profile);
});
after(async () => {
  await browser?.context.close();
  await server?.stop();
});

// --- The least of the protocol; docs/protocol.md says it all ---------------------------------------

function varint(given) {
  const out = [];
  let number = BigInt(given);
  for (; number >= 128n; number >>= 7n) out.push(Number(number & 127n) | 128);
  return Buffer.from([...out, Number(number)]);
}
const text = (value) => Buffer.concat([varint(Buffer.byteLength(value)), Buffer.from(value)]);
const now = () => varint(Date.now() * 2);
const welcome = () =>
  Buffer.concat([Buffer.from([2]), varint(3), Buffer.alloc(16, 7), ...[0, 0, 0, 0].map(varint), now(), ...[1 << 25, 1 << 25, 1 << 28, 1000, 0].map(varint), Buffer.from([1])]);
const refused = (reason, message) => Buffer.concat([Buffer.from([3, reason]), text(message), text(""), now(), ...[1, 3, 0, 0].map(varint)]);
const heartbeat = () => Buffer.concat([Buffer.from([18]), varint(0), now(), Buffer.alloc(16)]);
const presence = () => Buffer.concat([Buffer.from([19]), crypto.randomBytes(16), text("at"), text(JSON.stringify("x".repeat(1000)))]);

/** As fast as they are taken, so that the server's own memory stays small. */
async function endless(socket, make, bytes) {
  for (let sent = 0; sent < bytes && socket.readyState === 1; ) {
    const frame = make();
    sent += frame.length;
    socket.send(frame);
    if (socket.bufferedAmount > 1 << 20) await until("it is taken", () => socket.bufferedAmount < 1 << 16 || socket.readyState !== 1, patienceMs);
  }
  socket.close();
}

// What each does to whoever said hello, and a word of what the page says about it.
const attacks = {
  "a text that is a number": [(socket) => socket.send("1500000000"), /text/],
  "a frame over the limit": [(socket) => socket.send(Buffer.alloc(40 << 20)), /too large/],
  "a frame that inflates": [(socket) => socket.send(Buffer.alloc(120 << 20), { compress: true }), /too large/],
  nonsense: [(socket) => socket.send(crypto.randomBytes(1000)), /does not decode/],
  "news before the welcome": [(socket) => socket.send(heartbeat()), /before its welcome/],
  "a code that nobody knows": [(socket) => socket.close(4999, "go away"), /go away/],
  "a half frame": [(socket) => socket._socket.end(Buffer.from([0x82, 0x7e, 0x10, 0x00, 1, 2])), /closed|failed/],
  "no lineage but its own, again and again": [(socket) => socket.send(refused(2, "")), /again and again/],
  "a message for a terminal": [(socket) => socket.send(refused(9, "\x1b[2Jowned")), /owned/],
  "heartbeats without end": [(socket) => (socket.send(welcome()), endless(socket, heartbeat, 1 << 17)), /closed/],
  "people without end": [(socket) => (socket.send(welcome()), endless(socket, presence, 3 << 20)), /closed/],
};

class Liar {
  calls = 0;
  async listen(act) {
    this.server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 1 << 30 } });
    this.server.on("connection", (socket) => {
      this.calls++;
      socket.on("error", () => {});
      socket.once("message", () => act(socket));
    });
    await new Promise((done) => this.server.once("listening", done));
    return `http://127.0.0.1:${this.server.address().port}`;
  }
  close() {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }
}

/** Of the browser's processes that run pages. */
function rendererMib() {
  let most = 0;
  for (const name of fs.readdirSync("/proc")) {
    try {
      const line = fs.readFileSync(`/proc/${name}/cmdline`, "utf8");
      if (!line.includes("--type=renderer") || !line.includes(profile)) continue;
      most = Math.max(most, Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${name}/status`, "utf8"))[1]) >> 10);
    } catch {
      // It ended meanwhile.
    }
  }
  return most;
}

const openIn = (page, options) =>
  page.evaluate(async (given) => {
    const { open } = await import("/syncline.js");
    window.db = await open(given);
  }, { workspace: "hostile", schema, ...options });
const count = (page) => page.evaluate(async () => (await window.db.query("SELECT count(*) AS n FROM notes"))[0].n);
const write = (page, id) => page.evaluate((id) => window.db.exec("INSERT INTO notes(id) VALUES(?)", [id]), id);
const names = Object.keys(attacks);

for (const name of names) {
  test(`a server that sends ${name} harms neither the page nor what it wrote`, async (t) => {
    const [act, word] = attacks[name];
    const liar = new Liar();
    const url = await liar.listen(act);
    t.after(() => liar.close()); // what fails before it is closed must not keep the run alive
    const page = await browser.context.newPage();
    await page.goto(`${server.url}/`);
    await openIn(page, { name, url });
    await write(page, `${name} 1`);
    // The status follows what was written a moment later.
    await until("the cause is told", () => page.evaluate((word) => new RegExp(word).test(window.db.status.value.message) && window.db.status.value.pending > 0, word.source), patienceMs);
    const status = await page.evaluate(() => window.db.status.value);
    assert.ok(["disconnected", "connecting", "stuck"].includes(status.status), JSON.stringify(status));
    assert.ok(!["none", "storage"].includes(status.cause), JSON.stringify(status));
    assert.equal(status.pending, 1);
    assert.ok(liar.calls < 20, `it was called ${liar.calls} times`);
    assert.ok((await page.evaluate(() => window.db.presence.value.length)) <= 2048);
    const mib = rendererMib();
    assert.ok(mib > 0 && mib < 500, `${mib} MiB`);
    await write(page, `${name} 2`);
    await page.reload();
    await openIn(page, { name, url });
    assert.equal(await count(page), 2);
    liar.close();
    await page.reload();
    await openIn(page, { name, url: server.url });
    await page.evaluate(() => window.db.synced());
    await page.close();
  });
}

test("an honest server has everything afterwards", async () => {
  const page = await browser.context.newPage();
  await page.goto(`${server.url}/`);
  await openIn(page, { name: "reader", url: server.url });
  await page.evaluate(() => window.db.synced());
  assert.equal(await count(page), 2 * names.length);
});
