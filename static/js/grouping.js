/** The groups by which the graph is collapsed: those that the server offers and the user's own, kept on the server. */
import { data, element, formById, icon, messageOf, query, send } from "./page.js";
import { toast } from "./toast.js";
import { gettext, ngettext } from "./translations.js";

/** @import { NodeGroup } from "./types.js" */

const MAX_OWN = 50;

export class Grouping {
  #own = data.groups.own.map((group) => ({ ...group, kind: /** @type {"own"} */ ("own") }));
  #collapsed = new Set(data.groups.collapsed);
  /** @type {Set<string>} nodes that are to become a group */
  selected = new Set();

  /** @param {HTMLElement} menu @param {() => void} onChange called when other groups are collapsed
   *  @param {() => void} onSelect called when the selection has changed */
  constructor(menu, onChange, onSelect) {
    this.onChange = onChange;
    this.onSelect = onSelect;
    this.list = query(menu, ".group-list");
    this.form = formById("new-group");
    this.name = query(this.form, "input", HTMLInputElement);
    for (const [id, act] of Object.entries({ "collapse-all": () => this.#all(), "expand-all": () => this.#none() })) {
      query(menu, `#${id}`).addEventListener("click", act);
    }
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    menu.addEventListener("toggle", () => this.#draw());
    this.#draw();
  }

  /** @returns {NodeGroup[]} */
  get all() {
    return [...this.#own, ...data.groups.offered];
  }

  /** The groups that are collapsed. */
  get collapsed() {
    return this.all.filter((group) => this.#collapsed.has(group.id));
  }

  /** @param {string} id @param {boolean} collapsed */
  set(id, collapsed) {
    if (collapsed) this.#collapsed.add(id);
    else this.#collapsed.delete(id);
    this.#changed();
  }

  /** Select a node for a group, or no longer. @param {string} node */
  toggle(node) {
    if (!this.selected.delete(node)) this.selected.add(node);
    this.onSelect();
    this.#draw();
  }

  #all() {
    for (const { id } of this.all) this.#collapsed.add(id);
    this.#changed();
  }

  #none() {
    this.#collapsed.clear();
    this.#changed();
  }

  #add() {
    const name = this.name.value.trim() || `Group ${this.#own.length + 1}`;
    if (this.selected.size < 2) {
      return toast(gettext("Select at least two nodes: hold Shift and click them."), "failed");
    }
    if (this.#own.length >= MAX_OWN) {
      const text = gettext("You have {count} groups, the most. Delete one first.", { count: MAX_OWN });
      return toast(text, "failed");
    }
    const id = `own:${Date.now().toString(36)}`;
    this.#own.push({ id, kind: "own", name, nodes: [...this.selected] });
    this.#collapsed.add(id);
    this.selected.clear();
    this.name.value = "";
    this.onSelect();
    this.#changed();
  }

  /** @param {NodeGroup} group */
  async #remove(group) {
    const { ask } = await import("./confirmation.js");
    const sure = await ask({
      title: gettext("Delete the group {name}?", { name: group.name }),
      text: gettext("Its nodes stay. Only you have this group."),
      verb: gettext("Delete group"),
      danger: true,
    });
    if (!sure) return;
    this.#own = this.#own.filter((each) => each.id !== group.id);
    this.#collapsed.delete(group.id);
    this.#changed();
  }

  async #changed() {
    this.#draw();
    this.onChange();
    const known = new Set(this.all.map(({ id }) => id));
    const own = this.#own.map(({ id, name, nodes }) => ({ id, name, nodes }));
    const body = { own, collapsed: [...this.#collapsed].filter((id) => known.has(id)) };
    try {
      await send("PUT", `/api/workflows/${data.groups.workflow}/node-groups/`, body);
    } catch (error) {
      toast(gettext("The groups could not be saved: {error}", { error: messageOf(error) }), "failed");
    }
  }

  #draw() {
    this.list.replaceChildren(...this.all.map((group) => this.#row(group)));
    if (!this.list.childElementCount) {
      this.list.append(element("p", { class: "muted" }, gettext("No loops or branches.")));
    }
    const button = query(this.form, "button", HTMLButtonElement);
    button.disabled = this.selected.size < 2;
    button.textContent = this.selected.size
      ? ngettext("Group {count} node", "Group {count} nodes", this.selected.size)
      : gettext("Group nodes");
  }

  /** @param {NodeGroup} group */
  #row(group) {
    const box = element("input", { type: "checkbox" });
    box.checked = this.#collapsed.has(group.id);
    box.addEventListener("change", () => this.set(group.id, box.checked));
    const label = element(
      "label",
      {},
      box,
      element("span", {}, group.name),
      element("small", {}, ngettext("{count} node", "{count} nodes", group.nodes.length)),
    );
    const row = element("div", { class: "group-row" }, label);
    if (group.kind !== "own") return row;
    const title = gettext("Delete the group {name}", { name: group.name });
    const remove = element("button", { type: "button", class: "icon-button small", "aria-label": title, title });
    remove.append(icon("trash", 14));
    remove.addEventListener("click", () => this.#remove(group));
    row.append(remove);
    return row;
  }
}
