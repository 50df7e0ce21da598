// A synced list in React. The adapter is handed React's own hooks, so there is one React on the page.
import { useMemo, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { open, type Database } from "syncline";
import { hooks } from "syncline/react";
import "syncline/elements";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "syncline-status": { for: string };
    }
  }
}

const { useQuery, useStatus } = hooks({ useMemo, useSyncExternalStore });

function Notes({ db }: { db: Database }) {
  const notes = useQuery<{ id: string; body: string }>(db, "SELECT id, body FROM notes ORDER BY body");
  const { pending } = useStatus(db);
  const add = () => db.table("notes").put({ id: crypto.randomUUID(), body: "A note" });
  return (
    <>
      <p>
        <syncline-status for="notes" /> {pending} waiting
      </p>
      <ul>
        {notes.map((note) => (
          <li key={note.id}>{note.body}</li>
        ))}
      </ul>
      <button onClick={add}>Add</button>
    </>
  );
}

const db = await open({
  name: "notes",
  url: location.origin,
  workspace: "team",
  schema: { notes: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT" } },
});
createRoot(document.querySelector("#app")!).render(<Notes db={db} />);
