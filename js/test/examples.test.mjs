// The examples of the adapters, built and run as their readers would: two browsers and a server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { complaints, launch } from "./browser.mjs";
import { startServer, temporaryFolder } from "./server.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** The example's page. The module is compressed already, which takes seconds. */
function build(example) {
  const out = temporaryFolder();
  for (const name of ["syncline.wasm", "syncline.wasm.br"]) fs.copyFileSync(path.join(root, "build/web", name), path.join(out, name));
  execFileSync(process.execPath, [path.join(root, "js/build_page.mjs"), path.join(root, "examples", example), out]);
  return out;
}

for (const [name, adapter] of [["React", "react"], ["Svelte", "svelte"]]) {
  test(`the example in ${name} shows a synced list, what is added to it, and how syncing stands`, async () => {
    const server = await startServer({ flags: ["--demo", "--web", build(adapter)] });
    const browsers = [await launch(), await launch()];
    const pages = [];
    for (const { context } of browsers) {
      const page = await context.newPage();
      page.errors = complaints(page);
      await page.goto(`${server.url}/`);
      await page.locator('syncline-status .badge[data-state="synced"]').waitFor();
      pages.push(page);
    }
    const [mine, theirs] = pages;
    await mine.getByRole("button", { name: "Add" }).click();
    for (const page of pages) await page.locator("li").getByText("A note").waitFor();
    await mine.locator("p").getByText("0 waiting").waitFor();

    // Without a server it says so, keeps what is added, and catches up by itself.
    await server.stop();
    for (const page of pages) await page.locator('syncline-status .badge:not([data-state="synced"])').waitFor();
    await mine.getByRole("button", { name: "Add" }).click();
    await mine.locator("li").nth(1).waitFor();
    await mine.locator("p").getByText("1 waiting").waitFor();
    await mine.locator("syncline-status .pending").waitFor();
    assert.equal(await theirs.locator("li").count(), 1);
    const again = await startServer({ data: server.data, port: server.port, flags: server.flags });
    await theirs.locator("li").nth(1).waitFor();
    for (const page of pages) await page.locator('syncline-status .badge[data-state="synced"]').waitFor();
    await mine.locator("p").getByText("0 waiting").waitFor();
    if (adapter === "svelte") {
      await mine.getByPlaceholder("Search").fill("nothing like it");
      await mine.locator("li").first().waitFor({ state: "detached" });
    }
    const odd = pages.flatMap((page) => page.errors).filter((text) => !/WebSocket|ERR_CONNECTION|Failed to load/.test(text));
    assert.deepEqual(odd, []);
    for (const { context } of browsers) await context.close();
    await again.stop();
  });

  test(`the adapter for ${name} has less than a hundred lines`, () => {
    const lines = fs.readFileSync(path.join(root, "js/src", `${adapter}.ts`), "utf8").trimEnd().split("\n");
    assert.ok(lines.length < 100, `${lines.length}`);
  });
}
