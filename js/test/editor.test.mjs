// Two pages with CodeMirror, bound to a cell of the database through Yjs as the editor's own binding
// does it, both typing at once.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test, { after, before } from "node:test";
import { build } from "esbuild";
import { complaints, launch } from "./browser.mjs";
import { startServer, temporaryFolder, until } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const pictures = path.join(root, "build/screens");
const schema = { notes: { columns: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT" }, merge: "body=text" } };
let server;
let browser;
let workspaces = 0;

const editorSource = `
  import { EditorView, keymap } from "@codemirror/view";
  import { EditorState } from "@codemirror/state";
  import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
  export function mount(text, parent) {
    const extensions = [yCollab(text, null), keymap.of(yUndoManagerKeymap), EditorView.lineWrapping];
    return new EditorView({ state: EditorState.create({ doc: text.toString(), extensions }), parent });
  }`;

async function editorPage() {
  const folder = temporaryFolder();
  for (const name of ["syncline.js", "worker.js", "doc.js", "elements.js", "syncline.wasm"]) {
    fs.copyFileSync(path.join(root, "js/dist", name), path.join(folder, name));
  }
  const common = { bundle: true, format: "esm", target: "es2022", minify: true, logLevel: "warning" };
  await build({ ...common, stdin: { contents: 'export * from "yjs"', resolveDir: path.join(root, "js") }, outfile: path.join(folder, "yjs.js") });
  // One Yjs for the binding and for the database.
  await build({ ...common, external: ["yjs"], stdin: { contents: editorSource, resolveDir: path.join(root, "js") }, outfile: path.join(folder, "editor.js") });
  const map = JSON.stringify({ imports: { syncline: "/syncline.js", yjs: "/yjs.js" } });
  fs.writeFileSync(
    path.join(folder, "index.html"),
    `<!doctype html><meta charset="utf-8"><script type="importmap">${map}</script><title>editor</title><link rel="icon" href="data:,">
     <style>body{font:16px sans-serif;margin:2rem}main{border:1px solid #bbb;border-radius:8px;padding:.5rem;min-height:8rem}</style>
     <syncline-status for="device"></syncline-status><h1></h1><main></main>`,
  );
  return folder;
}

before(async () => {
  fs.mkdirSync(pictures, { recursive: true });
  server = await startServer({ flags: ["--demo", "--web", await editorPage()] });
  browser = await launch();
});
after(async () => {
  await browser?.context.close();
  await server?.stop();
});

async function tab(name, workspace, context = browser.context, options = {}) {
  const page = await context.newPage();
  page.errors = complaints(page);
  await page.goto(`${server.url}/`);
  await page.evaluate(
    async (given) => {
      const { open } = await import("/syncline.js");
      await import("/elements.js");
      window.db = await open(given);
      document.querySelector("h1").textContent = given.name;
      document.querySelector("syncline-status").db = window.db;
    },
    { name, workspace, url: server.url, schema, ...options },
  );
  return page;
}

/** Opens the note in the editor, and puts the cursor somewhere. */
async function edit(page, at = "end") {
  await page.evaluate(async () => {
    const { mount } = await import("/editor.js");
    window.note = await window.db.doc("notes", "1", "body");
    window.editor = mount(window.note.text(), document.querySelector("main"));
  });
  await page.locator(".cm-content").click();
  await page.keyboard.press(at === "end" ? "Control+End" : "Control+Home");
}

const shown = (page) => page.evaluate(() => window.editor.state.doc.toString());
const value = async (page) => (await page.evaluate(() => window.db.get("SELECT body FROM notes WHERE id = '1'"))).body;
const synced = (page) => page.evaluate(async () => {
  await window.note?.saved();
  await window.db.synced();
});

async function created(page, body) {
  await page.evaluate((text) => window.db.exec("INSERT INTO notes VALUES('1', ?1)", [text]), body);
  await page.evaluate(() => window.db.synced());
}

/** What the server holds, told by somebody who has only ever met the server. */
async function onTheServer(workspace) {
  const page = await tab(`reader-${workspace}`, workspace);
  await page.evaluate(() => window.db.synced());
  const body = await value(page);
  await page.close();
  return body;
}

test("two devices type into one text at once, with an editor of the page's choice, offline and on", async () => {
  const workspace = `editors${++workspaces}`;
  const ada = await tab("Ada", workspace);
  await created(ada, "Shopping for Sunday.");
  const ben = await tab("Ben", workspace);
  await ben.evaluate(() => window.db.synced());
  await edit(ada, "end");
  await edit(ben, "begin");

  const type = (page, text) => page.keyboard.type(text, { delay: 5 });
  await Promise.all([type(ada, " Bring oat milk and tea."), type(ben, "Dear all, read this! ")]);
  const whole = "Dear all, read this! Shopping for Sunday. Bring oat milk and tea.";
  await until("both see what both typed", async () => (await shown(ada)) === whole && (await shown(ben)) === whole);
  await Promise.all([synced(ada), synced(ben)]);
  assert.equal(await value(ada), whole);
  assert.equal(await value(ben), whole);

  // Offline, both at the same place, and one deletes what the other stands in.
  await Promise.all([ada, ben].map((page) => page.evaluate(() => window.db.pause())));
  await ben.keyboard.press("Control+End");
  await Promise.all([type(ada, " Ada adds 🙂 apples."), type(ben, " Ben brings bread.")]);
  await ben.keyboard.press("Control+Home");
  for (let i = 0; i < "Dear all, ".length; i++) await ben.keyboard.press("Delete");
  await until("each has its own", async () => (await shown(ben)).startsWith("read this!") && (await shown(ada)).endsWith("apples."));
  assert.ok(!(await shown(ada)).includes("bread"));
  await ada.screenshot({ path: path.join(pictures, "editor-offline-ada.png") });
  await ben.screenshot({ path: path.join(pictures, "editor-offline-ben.png") });
  await Promise.all([ada, ben].map((page) => page.evaluate(() => window.db.resume())));
  await until("both are equal", async () => {
    const [one, two] = [await shown(ada), await shown(ben)];
    return one === two && one.includes(" Ada adds 🙂 apples.") && one.includes(" Ben brings bread.");
  });
  await Promise.all([synced(ada), synced(ben)]);
  const merged = await shown(ada);
  assert.equal(merged.length, whole.length - "Dear all, ".length + " Ada adds 🙂 apples.".length + " Ben brings bread.".length);
  assert.equal(await value(ada), merged);
  assert.equal(await value(ben), merged);
  assert.equal(await onTheServer(workspace), merged);

  // Undo takes back one's own typing, not the other's.
  await ada.locator(".cm-content").click();
  await ada.keyboard.press("Control+z");
  await until("the undo arrives", async () => !(await shown(ben)).includes("apples") && (await shown(ben)) === (await shown(ada)));
  assert.ok((await shown(ada)).includes(" Ben brings bread."));
  await ada.screenshot({ path: path.join(pictures, "editor-ada.png") });
  await ben.screenshot({ path: path.join(pictures, "editor-ben.png") });
  for (const page of [ada, ben]) {
    assert.deepEqual(page.errors, []);
    await page.close();
  }
});

test("tabs of one device type into one text, also when the one that holds the database goes", async () => {
  const workspace = `editors${++workspaces}`;
  const tabs = [await tab("Tabs", workspace), await tab("Tabs", workspace)];
  await created(tabs[0], "one");
  for (const page of tabs) await edit(page);
  await tabs[1].keyboard.type(" two");
  await until("the other tab sees it", async () => (await shown(tabs[0])) === "one two");
  await tabs[0].keyboard.press("Control+End");
  await tabs[0].keyboard.type(" three");
  await until("and back", async () => (await shown(tabs[1])) === "one two three");
  await tabs[1].keyboard.press("Control+End");
  const typing = tabs[1].keyboard.type(" four five six seven", { delay: 10 });
  await tabs[0].close();
  await typing;
  await tabs[1].evaluate(() => window.note.saved());
  assert.equal(await value(tabs[1]), "one two three four five six seven");
  await tabs[1].close();
});

test("what was typed last is kept when the page goes at once", async () => {
  const workspace = `editors${++workspaces}`;
  const own = await launch();
  let page = await tab("Hurry", workspace, own.context, { paused: true });
  await page.evaluate(() => window.db.exec("INSERT INTO notes VALUES('1', '')"));
  let expected = "";
  for (let i = 0; i < 6; i++) {
    await edit(page);
    expected += `${i}.`;
    // In the turn of the edit itself, so that nothing can have been handed over.
    await page.evaluate(([text, leaves]) => {
      window.note.text().insert(window.note.text().length, text);
      if (leaves) location.replace("/?gone");
    }, [`${i}.`, i % 2 === 0]).catch(() => {});
    if (i % 2 === 0) await page.waitForURL("**/?gone");
    await page.close();
    page = await tab("Hurry", workspace, own.context, { paused: true });
    assert.equal(await value(page), expected);
  }
  // A worker that goes before it has heard of an edit: the page has left it behind.
  await edit(page);
  const [left, later] = await page.evaluate(async () => {
    const entries = () => Object.entries(localStorage).filter(([key]) => key.startsWith("syncline-doc:Hurry:"));
    window.note.text().insert(0, "left ");
    window.dispatchEvent(new Event("pagehide"));
    const before = entries();
    await window.note.saved();
    return [before, entries()];
  });
  assert.equal(left.length, 1);
  assert.equal(later.length, 0);
  await page.evaluate(async ([[key, entry]]) => {
    const Y = await import("yjs");
    // The same writer's next edit, of which nobody was told.
    const doc = new Y.Doc();
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(window.note.doc));
    let update;
    doc.on("update", (made) => (update = made));
    doc.getText("text").insert(0, "never sent, ");
    localStorage.setItem(key, JSON.stringify({ ...JSON.parse(entry), update: btoa(String.fromCharCode(...update)) }));
  }, left);
  await page.close();
  page = await tab("Hurry", workspace, own.context, { paused: true });
  assert.equal(await value(page), `never sent, left ${expected}`);
  assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("syncline-doc:")).length), 0);
  await own.context.close();
});
