// The demonstration as a person uses it; pictures of every state go to build/screens.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { complaints, launch } from "./browser.mjs";
import { startServer, until } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const pictures = path.join(root, "build/screens");
let server;
let browser;
let page;

before(async () => {
  fs.mkdirSync(pictures, { recursive: true });
  server = await startServer({ flags: ["--demo", "--web", path.join(root, "build/web")] });
  browser = await launch();
  page = await browser.context.newPage();
  page.errors = complaints(page);
  await page.goto(`${server.url}/`);
  await page.locator("body[data-ready]").waitFor();
});
after(async () => {
  await browser?.context.close();
  await server?.stop();
});

const device = (name, on = page) => on.locator(`[data-device="${name}"]`);
const badge = (name, on = page) => device(name, on).locator("syncline-status .badge");
const picture = (name, on = page) => on.screenshot({ path: path.join(pictures, `${name}.png`) });

async function state(name, wanted, on = page) {
  await device(name, on).locator(`syncline-status .badge[data-state="${wanted}"]`).waitFor({ timeout: 15_000 });
}
async function offline(name, on) {
  await device(name).locator(".offline").setChecked(on);
  if (on) await state(name, "disconnected");
}
async function say(name, text) {
  await device(name).locator(".send input").fill(text);
  await device(name).locator(".send button").click();
}
const openNotes = (name) => device(name).locator('[data-tab="notes"]').click();
const openChat = (name) => device(name).locator('[data-tab="chat"]').click();

test("footer shows the right state", async () => {
  await state("Phone", "synced");
  await state("Laptop", "synced");
  await say("Phone", "Hello from the phone");
  await device("Laptop").getByText("Hello from the phone").waitFor();
  await state("Phone", "synced");
  assert.equal(await badge("Laptop").locator(".word").count(), 1);
  await device("Laptop").locator("syncline-devices").getByText("Phone").waitFor();
  await picture("synced");
});

test("pending count shown", async () => {
  await offline("Phone", true);
  for (const text of ["one", "two", "three"]) await say("Phone", text);
  await badge("Phone").getByText("3 changes waiting").waitFor();
  assert.notEqual(await badge("Phone").getAttribute("data-state"), "synced");
  await picture("offline");
  await offline("Phone", false);
  await device("Laptop").getByText("three").waitFor();
  await state("Phone", "synced");
  assert.equal(await badge("Phone").locator(".pending").count(), 0);
});

test("a slow network delays what is said, and the badge stays honest so long", async () => {
  const slider = device("Phone").locator(".latency input");
  await slider.fill("1000");
  await device("Phone").getByText("1000 ms").waitFor();
  await device("Phone").evaluate((element) => {
    window.states = [];
    element.querySelector("syncline-status").db.status.subscribe(({ status, pending }) => window.states.push(`${status} ${pending}`));
  });
  const begun = Date.now();
  await say("Phone", "This one takes its time");
  await device("Laptop").getByText("This one takes its time").waitFor();
  assert.ok(Date.now() - begun >= 1000, "it was there too soon");
  await state("Phone", "synced");
  assert.ok(Date.now() - begun >= 2000, "it was called safe before the server's answer can have come");
  assert.ok((await page.evaluate(() => window.states)).includes("syncing 1"));
  await slider.fill("0");
  await device("Phone").getByText("0 ms", { exact: true }).waitFor();
});

test("SQL on the server's machine reaches both devices", async () => {
  await page.locator("#script").click();
  for (const name of ["Phone", "Laptop"]) await device(name).getByText("Written by SQL").waitFor({ timeout: 15_000 });
});

test("a conflict is resolved in the dialog and on the other device", async () => {
  for (const name of ["Phone", "Laptop"]) await openNotes(name);
  await device("Phone").locator(".add").click();
  const note = (name) => device(name).locator(".note textarea").first();
  await note("Laptop").waitFor();
  await note("Phone").fill("milk\nbread\ntea");
  await note("Phone").blur();
  await until("the laptop has it", async () => (await note("Laptop").inputValue()) === "milk\nbread\ntea");
  for (const name of ["Phone", "Laptop"]) {
    await state(name, "synced");
    await offline(name, true);
    await note(name).fill(name === "Phone" ? "oat milk\nbread\ntea" : "milk\nbread\ngreen tea");
    await note(name).blur();
    await badge(name).getByText("1 change waiting").waitFor();
  }
  for (const name of ["Phone", "Laptop"]) await offline(name, false);
  for (const name of ["Phone", "Laptop"]) await badge(name).getByText("1 conflict").waitFor();
  const dialog = device("Phone").locator("syncline-conflicts");
  await dialog.locator("button.merged:visible").waitFor();
  await picture("conflict");
  await dialog.locator("button.merged").click();
  for (const name of ["Phone", "Laptop"]) {
    await until("it is closed", async () => (await badge(name).locator(".conflicts").count()) === 0);
    await until("both have both", async () => (await note(name).inputValue()) === "oat milk\nbread\ngreen tea");
    await state(name, "synced");
  }
});

test("two people type in one document at once", async () => {
  const area = (name) => device(name).locator(".page textarea");
  for (const name of ["Phone", "Laptop"]) await device(name).locator('[data-tab="page"]').click();
  await device("Phone").locator(".begin").click();
  await area("Phone").fill("milk and tea");
  await until("the laptop has it", async () => (await area("Laptop").inputValue()) === "milk and tea");
  for (const name of ["Phone", "Laptop"]) await offline(name, true);
  await area("Phone").evaluate((text) => text.setSelectionRange(0, 0));
  await area("Phone").pressSequentially("oat ");
  await area("Laptop").evaluate((text) => text.setSelectionRange(9, 9));
  await area("Laptop").pressSequentially("green ");
  for (const name of ["Phone", "Laptop"]) await offline(name, false);
  for (const name of ["Phone", "Laptop"]) {
    await until("both have both", async () => (await area(name).inputValue()) === "oat milk and green tea");
    await state(name, "synced");
  }
  await picture("document");
  for (const name of ["Phone", "Laptop"]) await openChat(name);
});

test("a clone becomes a device of its own", async () => {
  await device("Phone").locator(".clone").click();
  const copy = "Phone copy 1";
  await state(copy, "synced");
  await openChat(copy);
  await say(copy, "I am another one");
  await openChat("Laptop");
  await device("Laptop").getByText("I am another one").waitFor();
  await openChat("Phone");
  await say("Phone", "and I am still me");
  await device(copy).getByText("and I am still me").waitFor();
  await picture("clone");
});

test("a rebuilt server gets everything back, unsent work first kept", async () => {
  await offline("Phone", true);
  await say("Phone", "written before the rebuild");
  await page.locator("#rebuild").click();
  await page.locator("#notice").getByText("threw its log away").waitFor();
  await offline("Phone", false);
  await device("Laptop").getByText("written before the rebuild").waitFor({ timeout: 20_000 });
  await device("Phone").locator("syncline-recovery").getByText("The server began anew").waitFor();
  await picture("rebuilt");
  await device("Phone").locator("syncline-recovery button.dismiss").click();
  for (const name of ["Phone", "Laptop"]) await state(name, "synced");
  assert.ok(await device("Phone").getByText("Hello from the phone").isVisible());
});

test("progress shows records not chunks", async () => {
  await page.locator("#many").click();
  await page.locator("#notice").getByText("5,000 notes").waitFor();
  // They come by way of the server.
  await device("Laptop").locator(".note").nth(40).waitFor({ state: "attached" });
  await state("Laptop", "synced");
  // A new device fills itself from a snapshot.
  const third = await browser.context.newPage();
  await third.addInitScript(() => {
    window.progress = [];
    const look = () => {
      const bar = document.querySelector("syncline-progress")?.shadowRoot.querySelector("[role=progressbar]");
      if (bar) window.progress.push([Number(bar.ariaValueNow ?? bar.getAttribute("aria-valuenow")), Number(bar.getAttribute("aria-valuemax")), bar.parentNode.textContent]);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await third.goto(`${server.url}/?device=third`);
  await state("third", "synced", third);
  const seen = await third.evaluate(() => window.progress);
  assert.ok(seen.length > 0, "no progress was shown");
  let before = 0;
  for (const [rows, total, text] of seen) {
    assert.ok(total >= 5000 && total < 5200, `${total} is no count of records`);
    assert.ok(rows >= before && rows <= total, `${before} then ${rows} of ${total}`);
    assert.match(text, /^[\d,]+ of [\d,]+ records.*B of .*[KM]B/);
    before = rows;
  }
  await picture("third", third);
  await third.close();
});

test("what a script wrote once survives a rebuilt server, though the script does not come back", async () => {
  const notes = (name) =>
    device(name).evaluate(async (element) => (await element.querySelector("syncline-status").db.query("SELECT count(*) AS n FROM notes"))[0].n);
  const before = await notes("Laptop");
  assert.ok(before >= 5000, `${before} notes`);
  const lineage = (name) =>
    device(name).evaluate(async (element) => {
      const { db } = element.querySelector("syncline-status");
      return JSON.parse((await db.query("SELECT syncline_status() AS s"))[0].s).lineage;
    });
  const old = await lineage("Laptop");
  await page.locator("#rebuild").click();
  await page.locator("#notice").getByText(/threw its log away|another one now/).waitFor();
  for (const name of ["Phone", "Laptop"]) {
    await until(`${name} met the new server`, async () => (await lineage(name)) !== old);
    await state(name, "synced");
    assert.equal(await notes(name), before);
  }
});

test("it is at home in the dark and on a phone's width", async () => {
  await page.emulateMedia({ colorScheme: "dark" });
  await picture("dark");
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} pixels stick out`);
  await picture("phone-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await picture("phone");
  assert.deepEqual(page.errors.filter((text) => !/WebSocket|ERR_CONNECTION|Failed to load/.test(text)), []);
});
