// Background Sync, for a page's service worker: import "syncline/service-worker". The browser wakes it
// once there is a network; the databases are the pages', so it asks these to sync, and fails when none
// could, which makes the browser try again later.
interface SyncEvent extends Event {
  tag: string;
  waitUntil(work: Promise<unknown>): void;
}
interface Page {
  postMessage(message: unknown, transfer: Transferable[]): void;
}
interface Scope {
  clients: { matchAll(options: { type: "window"; includeUncontrolled: boolean }): Promise<Page[]> };
  addEventListener(name: "sync", told: (event: SyncEvent) => void): void;
}
const scope = self as unknown as Scope;
const answerMs = 25_000;

/** Whether the page has nothing left to send. */
function ask(page: Page): Promise<boolean> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data === true);
    setTimeout(() => resolve(false), answerMs);
    page.postMessage("syncline-sync", [port2]);
  });
}

async function wake(): Promise<void> {
  const pages = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  const answers = await Promise.all(pages.map(ask));
  if (pages.length > 0 && !answers.includes(true)) throw new Error("no page could sync");
}

scope.addEventListener("sync", (event) => {
  if (event.tag === "syncline-sync") event.waitUntil(wake());
});
