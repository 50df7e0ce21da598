// What the elements share. Each works with the database given as its property `db`, or with the open
// one whose name stands in its attribute `for`. The package itself is found at run time, so that a page
// has one copy of it.
import { onOpened, opened, type Database } from "syncline";

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | boolean | EventListener | undefined>;

/** `on...` attributes are listeners; true is an attribute without a value, false is none. */
export function make(tag: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

const sharedCss = `
:host { font: var(--syncline-font, inherit); color: var(--syncline-text, inherit); box-sizing: border-box; }
:host([hidden]) { display: none; }
*, *::before, *::after { box-sizing: border-box; }
button { font: inherit; color: inherit; cursor: pointer; padding: .4em .8em; border-radius: var(--syncline-radius, 8px);
  border: 1px solid var(--syncline-line, #8886); background: var(--syncline-surface, transparent); }
button:hover:not(:disabled) { border-color: var(--syncline-accent, #3b6ef5); }
button.main { background: var(--syncline-accent, #3b6ef5); border-color: transparent; color: var(--syncline-on-accent, #fff); }
button:focus-visible, textarea:focus-visible { outline: 2px solid var(--syncline-accent, #3b6ef5); outline-offset: 2px; }
button:disabled { opacity: .5; cursor: default; }
.quiet { color: var(--syncline-quiet, #6b7280); }
`;

export abstract class SynclineElement extends HTMLElement {
  static observedAttributes = ["for"];
  #given: Database | null = null;
  #stops: (() => void)[] = [];
  protected readonly root: ShadowRoot;
  /** Everything below the style. */
  protected readonly body: HTMLElement;

  constructor(css: string) {
    super();
    this.root = this.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = sharedCss + css;
    this.body = make("div", { part: "body" });
    this.root.append(style, this.body);
  }

  get db(): Database | null {
    return this.#given;
  }

  set db(db: Database | null) {
    if (db === this.#given) return;
    this.#unfollow();
    this.#given = db;
    if (this.isConnected) this.#begin();
  }

  connectedCallback(): void {
    // Given before the browser knew what this element is.
    if (Object.hasOwn(this, "db")) {
      const given = Reflect.get(this, "db") as Database | null;
      Reflect.deleteProperty(this, "db");
      this.#given = given;
    }
    this.#begin();
  }

  disconnectedCallback(): void {
    this.#unfollow();
  }

  attributeChangedCallback(): void {
    const name = this.getAttribute("for");
    const db = name ? opened(name) : undefined;
    if (db) this.db = db;
  }

  #begin(): void {
    if (!this.#given) this.attributeChangedCallback();
    this.#unfollow();
    this.#stops = this.#given ? this.follow(this.#given) : [this.#await()];
  }

  /** The database that is named may be opened later. */
  #await(): () => void {
    return onOpened((db) => {
      if (db.name === this.getAttribute("for")) this.db = db;
    });
  }

  #unfollow(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  /** Subscribes to what is shown; returns how to stop. */
  protected abstract follow(db: Database): (() => void)[];

  protected show(...children: Child[]): void {
    this.body.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
  }

  /** Does what a button asks for; says so when it fails. */
  protected async act(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.dispatchEvent(new CustomEvent("syncline-error", { detail: error, bubbles: true, composed: true }));
    }
  }
}

export function download(name: string, bytes: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
