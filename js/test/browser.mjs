// A real browser for tests: Debian's Chromium with a profile of its own, because incognito windows
// have storage of another kind.
import fs from "node:fs";
import { chromium } from "playwright-core";
import { temporaryFolder } from "./server.mjs";

export const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export async function launch(profile = temporaryFolder(), options = {}) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath,
    headless: true,
    chromiumSandbox: false,
    viewport: { width: 1280, height: 860 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    ...options,
  });
  return { context, profile };
}

/** The browser's own process, to be killed as a crash would. */
export function browserPid(profile) {
  // A link named by host and process.
  const target = fs.readlinkSync(`${profile}/SingletonLock`);
  return Number(target.slice(target.lastIndexOf("-") + 1));
}

/** What the page said went wrong. */
export function complaints(page) {
  const out = [];
  page.on("pageerror", (error) => out.push(error.message));
  page.on("console", (message) => message.type() === "error" && out.push(message.text()));
  return out;
}
