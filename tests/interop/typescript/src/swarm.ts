/** Which nodes keep a mailbox: a ring of 2^64 (view.md, "Swarms"). */

import type { Node } from "./entry.js";
import { type Bytes, H, integer } from "./notation.js";

const RING = 1n << 64n;

export function position(mailboxId: Bytes): bigint {
  return integer(H("essaim/swarm/v1", mailboxId).slice(0, 8));
}

/** The members of the swarm whose id is nearest, ties to the lower id. */
export function swarmOf(nodes: Node[], mailboxId: Bytes): Node[] {
  const at = position(mailboxId);
  const ids = new Set(nodes.flatMap(({ swarm }) => (swarm === undefined ? [] : [swarm])));
  const [nearest] = [...ids].sort((a, b) => order(distance(a, at), distance(b, at)) || order(a, b));
  return nodes.filter(({ swarm }) => swarm !== undefined && swarm === nearest);
}

/** How many of r members make a quorum. */
export function quorum(members: number): number {
  return Math.floor(members / 2) + 1;
}

function distance(a: bigint, b: bigint): bigint {
  const way = BigInt.asUintN(64, a - b);
  return way < RING - way ? way : RING - way;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
