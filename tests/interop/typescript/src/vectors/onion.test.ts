import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { chacha20, chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { BODY_NONCE, type CellClass, geometry, keystream, NONCE, SIZES, wrap, xor } from "../cell.js";
import { type Hop, type HopKeys, keyId, schedule, type Suite } from "../hop.js";
import { type Bytes, hex, join, pad, Refused, split, u, unhex, unpad } from "../notation.js";
import { Replies } from "../reply.js";
import { load, replay } from "./load.js";

interface Case {
  name: string;
  suite: Suite;
  cell_class: CellClass;
  reply_class: CellClass;
  minute: number;
  nodes: { node_id: string; x25519_private: string; x25519_public: string; mlkem_seed: string; key_id: string }[];
  ephemerals: string[];
  tail: string;
  payload: string;
  header: string;
  /** Base64. */
  cell?: string;
  entering_sha256: string[];
  replies: { seq: number; kind: number; payload: string; sealed: string; received: string }[];
  errors: { hop: number; seq: number; code: number; time_ms: number; received: string }[];
}

const { cases } = load<{ cases: Case[] }>("onion");

function sha256(data: Bytes): string {
  return createHash("sha256").update(data).digest("hex");
}

function pathOf({ nodes }: Case): Hop[] {
  return nodes.map(({ node_id, x25519_public, mlkem_seed, key_id }) => {
    const { publicKey: mlkem } = ml_kem768.keygen(unhex(mlkem_seed));
    const hop = { nodeId: unhex(node_id), x25519: unhex(x25519_public), mlkem };
    assert.equal(hex(keyId(hop)), key_id);
    return hop;
  });
}

/** What a hop does (onion.md, 5): a client does not need it, a test does. */
function unwrap(cell: Bytes, hop: Hop, node: Case["nodes"][0], suite: Suite) {
  const { kem, slot, beta: size } = geometry(suite);
  const [prefix, c, beta, gamma, body] = split(cell, 8, kem, size, 16) as [Bytes, Bytes, Bytes, Bytes, Bytes];
  const [classic, lattice] = split(c, 32) as [Bytes, Bytes];
  const agreed = x25519.getSharedSecret(unhex(node.x25519_private), classic);
  const { secretKey } = ml_kem768.keygen(unhex(node.mlkem_seed));
  const shared = suite === 1 ? agreed : join(agreed, ml_kem768.decapsulate(lattice, secretKey));
  const keys = schedule(suite, hop, c, shared, prefix);
  assert.equal(hex(gamma), hex(poly1305(join(prefix, c, beta, body), keys.mac)));
  const plain = xor(join(beta, new Uint8Array(slot)), keystream(keys.stream, NONCE, size + slot));
  if (plain[0] === 2) return { keys, payload: unpad(chacha20poly1305(keys.payload, NONCE).decrypt(body)) };
  const ahead = join(cell.slice(0, 4), plain.slice(40, 44), plain.slice(64, 64 + kem), plain.slice(slot, slot + size));
  return { keys, next: join(ahead, plain.slice(64 + kem, slot), chacha20(keys.stream, BODY_NONCE, body)) };
}

for (const each of cases) {
  const path = pathOf(each);
  const payload = unhex(each.payload);
  const spec = { suite: each.suite, cellClass: each.cell_class, replyClass: each.reply_class };

  function keysOf(first: Bytes): HopKeys[] {
    let cell = first;
    return path.map((hop, index) => {
      assert.equal(cell.length, SIZES[each.cell_class]);
      const step = unwrap(cell, hop, each.nodes[index] as Case["nodes"][0], each.suite);
      if (step.payload) assert.equal(hex(step.payload), each.payload);
      else cell = step.next as Bytes;
      return step.keys;
    });
  }

  test(`${each.name}: the cell`, () => {
    if (each.suite === 1) {
      const { cell } = wrap(path, payload, spec, each.minute, replay(...each.ephemerals, each.tail));
      assert.ok(hex(cell).startsWith(each.header));
      assert.equal(sha256(cell), each.entering_sha256[0]);
      assert.equal(keysOf(cell).length, path.length);
    } else {
      assert.equal(keysOf(new Uint8Array(Buffer.from(each.cell as string, "base64"))).length, path.length);
    }
    const { cell, keys } = wrap(path, payload, spec, each.minute, (size) =>
      crypto.getRandomValues(new Uint8Array(size)),
    );
    assert.deepEqual(keysOf(cell), keys);
  });

  test(`${each.name}: replies and error cells`, () => {
    const drawn = replay(...each.ephemerals, each.tail);
    const keys = each.cell
      ? keysOf(new Uint8Array(Buffer.from(each.cell, "base64")))
      : wrap(path, payload, spec, each.minute, drawn).keys;
    const size = SIZES[each.reply_class];
    const replies = new Replies(keys, size);
    for (const { seq, kind, payload: text, sealed, received } of each.replies) {
      const nonce = join(u(4, 0), u(8, seq));
      const plain = join(u(1, kind), pad(unhex(text), size - 16 - 1));
      const made = chacha20poly1305((keys.at(-1) as HopKeys).reply, nonce).encrypt(plain);
      assert.equal(sha256(made), sealed);
      const got = keys.slice(0, -1).reduceRight((cell, { reply }) => chacha20(reply, nonce, cell), made);
      assert.equal(sha256(got), received);
      assert.deepEqual(replies.open(got), { kind, payload: unhex(text) });
    }
    for (const { hop, seq, code, time_ms, received } of each.errors) {
      const nonce = join(u(4, 0), u(8, seq));
      const plain = join(u(1, code), u(8, time_ms), new Uint8Array(size - 16 - 9));
      const made = chacha20poly1305((keys[hop] as HopKeys).error, nonce).encrypt(plain);
      const got = keys.slice(0, hop).reduceRight((cell, { reply }) => chacha20(reply, nonce, cell), made);
      assert.equal(sha256(got), received);
      const refused = new Refused("STALE", hop, { nodeTimeMs: String(time_ms) });
      assert.throws(() => new Replies(keys, size).open(got), refused);
    }
  });
}
