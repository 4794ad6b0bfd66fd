/** The entries of a whole view, and what changed since one that is held (view.md, "Answers"). */

import { type Bytes, check, equal, hex } from "./notation.js";
import { decode } from "./messages.js";
import type { SignedHeader } from "./header.js";

export interface ViewDiff {
  /** Headers between the one held and the newest, oldest first. */
  headers: Bytes[];
  latest: SignedHeader | null;
  removed: Bytes[];
  changed: { nodeId: Bytes; pieces: { piece?: "kept" | "added"; kept?: number; added?: Bytes }[] }[];
}

/** By node id in hexadecimal; no node twice. */
export function entriesOf(nodes: { pieces: Bytes[] }[]): Map<string, Bytes[]> {
  const made = new Map<string, Bytes[]>();
  for (const { pieces } of nodes) {
    const id = nodeIdOf(pieces);
    check(!made.has(hex(id)));
    made.set(hex(id), pieces);
  }
  return made;
}

function nodeIdOf([status]: Bytes[]): Bytes {
  check(status !== undefined);
  return decode<{ nodeId: Bytes }>("essaim.view.v1.NodeStatus", status).nodeId;
}

/** The new entries. */
export function applyDiff(held: Map<string, Bytes[]>, diff: ViewDiff): Map<string, Bytes[]> {
  const made = new Map(held);
  for (const id of diff.removed) check(made.delete(hex(id)));
  const named = new Set([...diff.removed, ...diff.changed.map(({ nodeId }) => nodeId)].map(hex));
  check(named.size === diff.removed.length + diff.changed.length);
  for (const { nodeId, pieces } of diff.changed) {
    const before = held.get(hex(nodeId)) ?? [];
    const entry = pieces.map(({ kept, added }) => {
      const piece = added ?? before[kept ?? -1];
      check(piece !== undefined);
      return piece;
    });
    check(equal(nodeIdOf(entry), nodeId));
    made.set(hex(nodeId), entry);
  }
  return made;
}
