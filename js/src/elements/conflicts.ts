import type { Choice, Conflict, Database } from "syncline";
import { define, make, SynclineElement } from "./base.js";

const css = `
:host { display: block; }
.card { border: 1px solid var(--syncline-line, #8886); border-radius: var(--syncline-radius, 10px); padding: 1em; margin-bottom: .75em;
  background: var(--syncline-surface, transparent); }
h3 { margin: 0 0 .6em; font-size: 1em; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(9em, 1fr)); gap: .6em; margin-bottom: .75em; }
.side { border-radius: 8px; padding: .6em; background: var(--syncline-sunken, #8881); min-width: 0; }
.side h4 { margin: 0 0 .3em; font-size: .75em; text-transform: uppercase; letter-spacing: .04em; color: var(--syncline-quiet, #6b7280); }
pre { margin: 0; font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 10em; overflow-y: auto; }
textarea { width: 100%; font: inherit; color: inherit; min-height: 4.5em; field-sizing: content; padding: .6em; border-radius: 8px; resize: vertical;
  border: 1px solid var(--syncline-line, #8886); background: var(--syncline-field, transparent); }
label { display: block; font-size: .8125em; margin-bottom: .3em; }
.buttons { display: flex; flex-wrap: wrap; gap: .5em; margin-top: .6em; }
`;

/** Both sides' last words on a field, and four ways out. */
export class ConflictsElement extends SynclineElement {
  #shown = new Map<string, HTMLElement>();

  constructor() {
    super(css);
  }

  protected follow(db: Database): (() => void)[] {
    this.#shown.clear();
    return [db.conflicts.subscribe((conflicts) => this.#draw(db, conflicts))];
  }

  #draw(db: Database, conflicts: Conflict[]): void {
    this.toggleAttribute("empty", conflicts.length === 0);
    const before = this.#shown;
    this.#shown = new Map(
      // Whoever is typing in one keeps it when another comes or goes.
      conflicts.map((conflict) => [this.#key(conflict), before.get(this.#key(conflict)) ?? this.#card(db, conflict)]),
    );
    if (conflicts.length === 0) this.show(make("p", { class: "quiet", role: "status" }, "Nothing needs a decision."));
    else this.show(...this.#shown.values());
  }

  #key({ id, mine, theirs }: Conflict): string {
    return JSON.stringify([id, mine, theirs]);
  }

  #card(db: Database, conflict: Conflict): HTMLElement {
    const { id, table_name, column_name } = conflict;
    const editor = make("textarea", { id: "edit", "aria-label": `Your text for ${column_name}` }) as HTMLTextAreaElement;
    editor.value = text(conflict.mine);
    const merged = make("button", { hidden: true, class: "main merged" }, "Use both, merged") as HTMLButtonElement;
    const choose = (how: Choice, value?: () => string) => () =>
      void this.act(() => (value ? db.resolve(id, how, value()) : db.resolve(id, how)));
    merged.addEventListener("click", choose("value", () => merged.value));
    void this.act(async () => {
      const result = await db.threeWay(conflict.base, conflict.mine, conflict.theirs);
      if (!result.clean) return;
      merged.value = typeof result.merged === "string" ? result.merged : JSON.stringify(result.merged);
      merged.hidden = false;
      editor.value = merged.value;
    });
    return make(
      "section",
      { class: "card", part: "card", "data-conflict": id, "aria-label": `Conflict in ${table_name}, ${column_name}` },
      make("h3", {}, `${capital(column_name)} was changed in two places`),
      make("div", { class: "sides" }, side("Before", conflict.base), side("Mine", conflict.mine), side("Theirs", conflict.theirs)),
      make("label", {}, "Or write it anew"),
      editor,
      make(
        "div",
        { class: "buttons" },
        merged,
        make("button", { class: "mine", onclick: choose("mine") }, "Keep mine"),
        make("button", { class: "theirs", onclick: choose("theirs") }, "Take theirs"),
        make("button", { class: "edited", onclick: choose("value", () => editor.value) }, "Use my text"),
      ),
    );
  }
}

function text(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
}

function side(title: string, value: unknown): HTMLElement {
  return make("div", { class: `side ${title.toLowerCase()}` }, make("h4", {}, title), make("pre", {}, text(value) || "(empty)"));
}
define("syncline-conflicts", ConflictsElement);
