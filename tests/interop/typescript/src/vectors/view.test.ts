import assert from "node:assert/strict";
import { test } from "node:test";

import { readGenesis } from "../genesis.js";
import { threshold } from "../genesis.js";
import { hex, Refused, unhex } from "../notation.js";
import { entryHash } from "../entry.js";
import { position } from "../swarm.js";
import { ViewKeeper } from "../view.js";
import { load } from "./load.js";

interface Vectors {
  now_ms: number;
  genesis: string;
  network_id: string;
  threshold: number;
  first: { answer: string; header_hash: string };
  second: { answer: string; header_hash: string };
  later: { answer: string; header_hash: string; relays: string[] };
  diff: string;
  entries: { node_id: string; hash: string }[];
  placement: { mailbox_id: string; position: number; swarm_id: number }[];
}

const vectors = load<Vectors>("view");
const [first, second, diff] = [vectors.first.answer, vectors.second.answer, vectors.diff].map(unhex);
const later = vectors.now_ms + 400 * 86_400_000;

/** Header hash or reason of the last of the answers. */
function verdict(...answers: (Uint8Array | undefined)[]): string {
  const keeper = new ViewKeeper(readGenesis(unhex(vectors.genesis)));
  try {
    for (const answer of answers) keeper.accept(answer as Uint8Array, vectors.now_ms);
    return hex(keeper.held?.hash ?? new Uint8Array());
  } catch (refused) {
    return (refused as Refused).reason;
  }
}

test("genesis", () => {
  const genesis = readGenesis(unhex(vectors.genesis));
  assert.equal(hex(genesis.networkId), vectors.network_id);
  assert.equal(threshold(genesis.authorities.length), vectors.threshold);
});

test("whole views and the diff", () => {
  assert.equal(verdict(first), vectors.first.header_hash);
  assert.equal(verdict(second), vectors.second.header_hash);
  assert.equal(verdict(first, second), vectors.second.header_hash);
  assert.equal(verdict(first, diff), vectors.second.header_hash);
  assert.equal(verdict(second, first), "ROLLBACK");
  assert.equal(verdict(diff), "WRONG_CHAIN");
});

test("what a later version adds is passed over", () => {
  const keeper = new ViewKeeper(readGenesis(unhex(vectors.genesis)));
  keeper.accept(second as Uint8Array, vectors.now_ms);
  const view = keeper.accept(unhex(vectors.later.answer), vectors.now_ms);
  assert.equal(hex(view.hash), vectors.later.header_hash);
  assert.deepEqual(
    view.relays(vectors.now_ms).map(({ id }) => hex(id)),
    vectors.later.relays,
  );
});

test("an expired view is refused, and still bars what is older", () => {
  const keeper = new ViewKeeper(readGenesis(unhex(vectors.genesis)));
  assert.throws(() => keeper.accept(second as Uint8Array, later), { reason: "EXPIRED" });
  keeper.accept(second as Uint8Array, 0);
  assert.throws(() => keeper.accept(first as Uint8Array, vectors.now_ms), { reason: "ROLLBACK" });
});

test("every single altered byte of a view is refused", () => {
  const answer = first as Uint8Array;
  for (let at = 0; at < answer.length; at += 97) {
    const altered = answer.slice();
    altered[at] = (altered[at] as number) ^ 1;
    const said = verdict(altered);
    assert.match(said, /^([A-Z_]+|[0-9a-f]{64})$/);
    // A signature of one authority of four that no longer verifies does no harm.
    if (said === vectors.first.header_hash) assert.ok(at < 700, `byte ${at}`);
  }
});

test("entries, and who keeps which mailbox", () => {
  const keeper = new ViewKeeper(readGenesis(unhex(vectors.genesis)));
  const view = keeper.accept(second as Uint8Array, vectors.now_ms);
  const hashes = [...view.entries.values()].map((pieces) => hex(entryHash(pieces)));
  for (const { hash } of vectors.entries) assert.ok(hashes.includes(hash));
  for (const each of vectors.placement) {
    // JSON's numbers are doubles here: 64-bit ones are compared as such.
    assert.equal(Number(position(unhex(each.mailbox_id))), each.position);
    const swarms = view.swarm(unhex(each.mailbox_id)).map(({ swarm }) => Number(swarm));
    assert.deepEqual([...new Set(swarms)], [each.swarm_id]);
  }
});
