import type { Database, PresenceEntry } from "syncline";
import { define, make, SynclineElement } from "./base.js";

const css = `
:host { display: inline-block; }
ul { display: inline-flex; flex-wrap: wrap; gap: .35em; list-style: none; margin: 0; padding: 0; }
li { display: inline-flex; align-items: center; gap: .35em; font-size: .8125em; padding: .15em .6em; border-radius: 999px;
  background: var(--syncline-sunken, #8882); }
li::before { content: ""; width: .5em; height: .5em; border-radius: 50%; background: var(--syncline-synced, #16a34a); }
`;

/** Who else is here: whatever devices said of themselves under "device" (`setPresence`). */
export class DevicesElement extends SynclineElement {
  constructor() {
    super(css);
  }

  protected follow(db: Database): (() => void)[] {
    return [db.presence.subscribe((presence) => this.#draw(presence))];
  }

  #draw(presence: PresenceEntry[]): void {
    const names = presence
      .filter(({ key }) => key === "device")
      .map(({ replica, value }) => {
        const name = typeof value === "string" ? value : (value as { name?: string } | null)?.name;
        return name ?? replica.slice(0, 6);
      })
      .sort();
    this.show(make("ul", { "aria-label": "Other devices" }, ...names.map((name) => make("li", {}, name))));
  }
}
define("syncline-devices", DevicesElement);
