// A real server for tests: on a free port of 127.0.0.1, gone with the test.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import readline from "node:readline";

export const program = process.env.PROGRAM_UNDER_TEST ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../build/dev/syncline");

export function temporaryFolder() {
  return fs.mkdtempSync(path.join(os.tmpdir(), "syncline-js-"));
}

export async function startServer({ data = path.join(temporaryFolder(), "srv"), port = 0, flags = ["--demo"] } = {}) {
  const child = spawn(program, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, "--log-level", "warning", ...flags], {
    stdio: ["ignore", "pipe", process.env.VERBOSE ? "inherit" : "ignore"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const lines = readline.createInterface({ input: child.stdout });
  const listening = await new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      const told = JSON.parse(line);
      if (told.ev === "listening") resolve(told);
    });
    child.once("exit", (code) => reject(new Error(`the server left with ${code}`)));
  });
  // A test that failed must not wait for its server.
  child.unref();
  child.stdout.unref();
  return {
    url: `http://127.0.0.1:${listening.port}`,
    port: listening.port,
    data,
    flags,
    child,
    async stop(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      const gone = new Promise((done) => child.once("exit", done));
      child.kill(signal);
      await gone;
    },
  };
}

/** Waits for a condition, not for a time; the limit only ends a test that has failed anyway. */
export async function until(what, condition, limitMs = 20_000) {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
