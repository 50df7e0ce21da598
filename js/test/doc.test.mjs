// Live documents: a cell of the database as a Y.Doc of npm's yjs.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import WebSocket from "ws";
import * as Y from "yjs";
import { open, SynclineError, WebSocketTransport } from "../dist/node.js";
import { startServer, until } from "./server.mjs";

const schema = {
  notes: { columns: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT", page: "BLOB" }, merge: ["body=text", "page=doc"] },
};
const notes = schema;
let server;
let workspaces = 0;
before(async () => (server = await startServer()));
after(async () => server.stop());
const fresh = () => `doc${++workspaces}-${process.pid}`;

function device(workspace, more = {}) {
  const transport = new WebSocketTransport((url) => new WebSocket(url));
  return open({ name: ":memory:", schema: notes, url: server.url, workspace, transport, ...more });
}
const bodyOf = async (db, id = "1") => (await db.get("SELECT body FROM notes WHERE id = ?1", [id]))?.body;

test("a text cell is a Y.Text: what is typed is SQL's value, and what SQL sets is in the Y.Text", async () => {
  const db = await open({ name: ":memory:", schema: notes });
  await db.exec("INSERT INTO notes(id, body) VALUES('1', 'grüße 🙂')");
  const live = await db.doc("notes", "1", "body");
  assert.ok(live.doc instanceof Y.Doc);
  assert.equal(live.text().toString(), "grüße 🙂");

  live.text().insert(0, "viele ");
  assert.equal(live.isSaved, false);
  await live.saved();
  assert.equal(await bodyOf(db), "viele grüße 🙂");

  const heard = [];
  live.doc.on("update", (_update, origin) => heard.push(origin));
  await db.exec("UPDATE notes SET body = body || '!' WHERE id = '1'");
  await until("SQL's edit arrives", () => live.text().toString() === "viele grüße 🙂!");
  assert.deepEqual(heard, [live]);
  await db.query("SELECT syncline_text_format('notes', '1', 'body', 0, 5, '{\"bold\":true}')");
  await until("formatting arrives", () => live.text().toDelta()[0].attributes?.bold === true);
  await live.close();
  live.text().insert(0, "not kept ");
  await db.exec("SELECT 1");
  assert.equal(await bodyOf(db), "viele grüße 🙂!");
  await db.close();
});

test("edits of one turn are one change, and an edit says what was typed only", async () => {
  const db = await open({ name: ":memory:", schema: notes });
  await db.exec("INSERT INTO notes(id, body) VALUES('1', ?1)", ["x".repeat(50_000)]);
  const live = await db.doc("notes", "1", "body");
  const changes = async () => (await db.get("SELECT count(*) AS n FROM syncline_changes")).n;
  const before = await changes();
  for (let i = 0; i < 20; i++) live.text().insert(i * 100, "y");
  await live.saved();
  assert.equal(await changes(), before + 1);
  assert.equal((await bodyOf(db)).length, 50_020);
  assert.equal(live.text().toString(), await bodyOf(db));
  await db.close();
});

test("two documents of one cell follow each other", async () => {
  const db = await open({ name: ":memory:", schema: notes });
  await db.exec("INSERT INTO notes(id) VALUES('1')");
  const [one, two] = await Promise.all([db.doc("notes", "1", "page"), db.doc("notes", "1", "page")]);
  one.doc.getMap("m").set("title", "tea");
  two.doc.getArray("a").push([1, { two: 2 }]);
  const fragment = one.doc.getXmlFragment("prosemirror");
  fragment.insert(0, [new Y.XmlElement("p")]);
  await Promise.all([one.saved(), two.saved()]);
  await until("both have everything", () => one.doc.getArray("a").length === 2 && two.doc.getXmlFragment("prosemirror").length === 1);
  assert.deepEqual(Y.encodeStateAsUpdate(one.doc), Y.encodeStateAsUpdate(two.doc));
  assert.deepEqual(two.doc.getMap("m").toJSON(), { title: "tea" });
  await db.close();
});

test("devices that type at once, offline and on, come out equal, here, there and on the server", async () => {
  const workspace = fresh();
  const a = await device(workspace);
  await a.exec("INSERT INTO notes(id, body) VALUES('1', 'begin')");
  await a.synced();
  const b = await device(workspace);
  await b.synced();
  const docs = [await a.doc("notes", "1", "body"), await b.doc("notes", "1", "body")];
  const type = (who, word) => {
    for (const letter of word) docs[who].text().insert(docs[who].text().length, letter);
  };
  type(0, " alpha");
  type(1, " beta");
  await Promise.all([a.pause(), b.pause()]);
  type(0, " gamma");
  docs[1].text().insert(0, "delta ");
  await Promise.all(docs.map((each) => each.saved()));
  await Promise.all([a.resume(), b.resume()]);
  await until("both texts are equal", () => docs[0].text().toString() === docs[1].text().toString() && docs[0].text().length === 5 + 6 + 5 + 6 + 6);
  const text = docs[0].text().toString();
  const letters = (of) => [...of].sort().join("");
  assert.equal(letters(text), letters("begin alpha beta gammadelta "));
  await Promise.all([a.synced(), b.synced()]);
  assert.equal(await bodyOf(a), text);
  assert.equal(await bodyOf(b), text);
  const late = await device(workspace);
  await late.synced();
  assert.equal(await bodyOf(late), text);
  await Promise.all([a.close(), b.close(), late.close()]);
});

test("a document that was begun anew is not mixed with the old one", async () => {
  const db = await open({ name: ":memory:", schema: notes });
  await db.exec("INSERT INTO notes(id, body) VALUES('1', 'old')");
  const live = await db.doc("notes", "1", "body");
  live.text().insert(3, " text");
  await live.saved();
  await db.transaction(async (tx) => {
    await tx.exec("DELETE FROM notes");
    await tx.exec("INSERT INTO notes(id, body) VALUES('1', 'new')");
  });
  live.text().insert(0, "very ");
  await live.replaced;
  assert.equal(await bodyOf(db), "new");
  const again = await db.doc("notes", "1", "body");
  assert.equal(again.text().toString(), "new");
  await db.close();
});

test("what cannot be kept is told: a row that is gone, a column that holds no documents", async () => {
  const db = await open({ name: ":memory:", schema: notes });
  await assert.rejects(db.doc("notes", "none", "body"), (error) => error instanceof SynclineError && /no row with this key/.test(error.message));
  await assert.rejects(db.doc("notes", "none", "id"), /not tracked with rule text or doc/);
  await db.exec("INSERT INTO notes(id, body) VALUES('1', 'a')");
  const errors = [];
  const live = await db.doc("notes", "1", "body", { onError: (error) => errors.push(error.message) });
  await db.exec("DELETE FROM notes");
  live.text().insert(0, "x");
  await live.replaced;
  assert.ok(errors.some((message) => /no row with this key/.test(message)), String(errors));
  await db.exec("INSERT INTO notes(id, body) VALUES('1', 'b')");
  const again = await db.doc("notes", "1", "body");
  await db.exec("DELETE FROM notes");
  await again.replaced;
  await db.close();
});

test("a document that the page has already goes into the cell", async () => {
  const db = await open({ name: ":memory:", schema: notes });
  await db.exec("INSERT INTO notes(id) VALUES('1')");
  const doc = new Y.Doc();
  doc.getText("text").insert(0, "made before");
  const live = await db.doc("notes", "1", "body", { doc, yjs: Y });
  assert.equal(live.doc, doc);
  assert.equal(await bodyOf(db), "made before");
  await db.close();
});

test("a key of several columns", async () => {
  const db = await open({
    name: ":memory:",
    schema: "CREATE TABLE IF NOT EXISTS pairs(a TEXT, b INT, body TEXT, PRIMARY KEY(a, b)) WITHOUT ROWID; SELECT syncline_track('pairs', 'body=text')",
  });
  await db.exec("INSERT INTO pairs VALUES('k', 2, 'two')");
  const live = await db.doc("pairs", ["k", 2], "body");
  live.text().insert(3, "!");
  await db.close();
  assert.equal(live.text().toString(), "two!");
});
