/** Guards that stay, and paths of three relays and a destination (client.md, 3). */

import { randomInt } from "node:crypto";

import type { Node } from "./entry.js";
import { equal, hex, Refused } from "./notation.js";
import type { View } from "./view.js";

const DAY_MS = 86_400_000;

/** A relay of this client's sample: the first that the view lists is the first hop of every path. */
export interface Guard {
  /** In hexadecimal. */
  nodeId: string;
  untilMs: number;
}

/** The sample, filled up and without those whose time is over. */
export function renewGuards(kept: Guard[], view: View, nowMs: number): Guard[] {
  const relays = view.relays(nowMs);
  const size = Math.min(20, Math.max(3, Math.floor(relays.length * 0.6)));
  const guards = kept.filter(({ untilMs }) => untilMs > nowMs);
  for (const { id } of shuffled(relays)) {
    if (guards.length >= size) break;
    if (guards.some(({ nodeId }) => nodeId === hex(id))) continue;
    guards.push({ nodeId: hex(id), untilMs: nowMs + randomInt(90, 121) * DAY_MS });
  }
  return guards;
}

/** Four different nodes: guard, middle, exit, destination. `avoided`: ids of relays in hexadecimal. */
export function drawPath(view: View, guards: Guard[], destination: Node, avoided: Set<string>, nowMs: number): Node[] {
  const relays = view.relays(nowMs).filter(({ id }) => !avoided.has(hex(id)));
  const listed = guards.flatMap(({ nodeId }) => relays.filter(({ id }) => hex(id) === nodeId));
  for (const guard of listed.slice(0, 3)) {
    const path = [destination];
    for (const node of [guard, ...shuffled(relays)]) {
      if (path.length < 4 && path.every((other) => apart(view, node, other))) path.push(node);
    }
    if (path.length === 4 && path[1] === guard) return [...path.slice(1), destination];
  }
  throw new Refused("NO_PATH");
}

/** What every client, and the signed view, asks of two nodes of one path. */
function apart({ header: { parameters } }: View, one: Node, other: Node): boolean {
  if (equal(one.id, other.id) || (one.swarm !== undefined && one.swarm === other.swarm)) return false;
  if (parameters.distinctOperators && equal(one.operatorId, other.operatorId)) return false;
  if (parameters.distinctPrefixes && prefix(one) === prefix(other)) return false;
  return !(parameters.distinctRegions && one.region === other.region);
}

/** /16, in IPv6 /32. */
function prefix({ address }: Node): string {
  const host = address.slice(0, address.lastIndexOf(":"));
  if (!host.startsWith("[")) return host.split(".").slice(0, 2).join(".");
  const groups = host.slice(1, -1).split("::")[0]?.split(":") ?? [];
  return [0, 1].map((index) => parseInt(groups[index] || "0", 16)).join(":");
}

export function shuffled<Item>(items: Item[]): Item[] {
  const drawn = items.map((item) => ({ item, at: randomInt(2 ** 47) }));
  return drawn.sort((one, other) => one.at - other.at).map(({ item }) => item);
}
