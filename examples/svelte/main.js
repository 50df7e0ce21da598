import { mount } from "svelte";
import { open } from "syncline";
import "syncline/elements";
import Notes from "./Notes.svelte";

const db = await open({
  name: "notes",
  url: location.origin,
  workspace: "team",
  schema: { notes: { id: "TEXT PRIMARY KEY NOT NULL", body: "TEXT" } },
});
mount(Notes, { target: document.querySelector("#app"), props: { db } });
