import assert from "node:assert/strict";
import { test } from "node:test";

import { hex, type Bytes, unhex } from "../notation.js";
import { answer, decrypt, type Ratchet } from "../ratchet.js";
import { load } from "./load.js";

interface Vectors {
  session: { [name: string]: string };
  chains: { [name: string]: string }[];
  messages: { chain: number; number: number; content: string; envelope: string }[];
}

const { session, chains, messages } = load<Vectors>("ratchet");
const raw = (from: { [name: string]: string } | undefined, name: string): Bytes => unhex(from?.[name] ?? "");
const text = (content: Bytes | undefined): string => Buffer.from(content ?? []).toString();

function responder(): Ratchet {
  const [root, headerKey, nextHeaderKey] = ["root_key", "header_key", "next_header_key"].map((name) =>
    raw(session, name),
  ) as [Bytes, Bytes, Bytes];
  const prekeys = { x25519: raw(session, "responder_private"), kem: raw(chains[0], "peer_kem_seed") };
  return answer({ transcript: raw(session, "associated_data"), root, headerKey, nextHeaderKey }, prekeys);
}

test("messages of each chain open", () => {
  for (const { chain, content, envelope } of messages) {
    const [headerKey, chainKey] = [raw(chains[chain], "header_key"), raw(chains[chain], "chain_key")];
    const reader = { ...responder(), receiving: { headerKey, chainKey, next: 0 }, nextReceiving: new Uint8Array(32) };
    assert.equal(text(decrypt(reader, unhex(envelope))), content);
  }
});

test("a turn begins the chain that was frozen", () => {
  const bob = responder();
  decrypt(bob, unhex(messages[0]?.envelope ?? ""));
  assert.equal(hex(bob.nextReceiving), chains[0]?.["next_header_key"]);
  assert.equal(hex(bob.receiving?.headerKey ?? new Uint8Array()), chains[0]?.["header_key"]);
});

test("the first chain in any order, each message once", () => {
  const bob = responder();
  const first = messages.filter(({ chain }) => chain === 0);
  for (const at of [0, 2, 1]) {
    assert.equal(text(decrypt(bob, unhex(first[at]?.envelope ?? ""))), first[at]?.content);
  }
  assert.throws(() => decrypt(bob, unhex(first[1]?.envelope ?? "")), { reason: "DUPLICATE" });
});
