// The browser without Playwright, which keeps every page visible: for what happens only to pages that
// nobody looks at.
import { spawn } from "node:child_process";
import readline from "node:readline";
import WebSocket from "ws";
import { chromiumPath } from "./browser.mjs";
import { temporaryFolder } from "./server.mjs";

export async function launchRaw() {
  const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"];
  const child = spawn(chromiumPath, [...flags, `--user-data-dir=${temporaryFolder()}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  process.once("exit", () => child.kill("SIGKILL"));
  const url = await new Promise((resolve, reject) => {
    readline.createInterface({ input: child.stderr }).on("line", (line) => {
      const found = /DevTools listening on (ws:\S+)/.exec(line);
      if (found) resolve(found[1]);
    });
    child.once("exit", (code) => reject(new Error(`the browser left with ${code}`)));
  });
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const waiting = new Map();
  const listeners = new Set();
  let next = 1;
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (!message.id) return listeners.forEach((told) => told(message));
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  });
  const send = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params, sessionId }));
    });

  return {
    send,
    /** Hears every event of the protocol. */
    hear: (told) => listeners.add(told),
    async page(address) {
      const { targetId } = await send("Target.createTarget", { url: address });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      const ask = (method, params) => send(method, params, sessionId);
      await ask("Page.enable");
      return {
        send: ask,
        async evaluate(work, given) {
          const expression = `(${work})(${JSON.stringify(given ?? null)})`;
          const { result, exceptionDetails } = await ask("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
          if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
          return result.value;
        },
      };
    },
    async close() {
      const gone = new Promise((done) => child.once("exit", done));
      await send("Browser.close").catch(() => {});
      await gone;
      socket.terminate();
    },
  };
}
