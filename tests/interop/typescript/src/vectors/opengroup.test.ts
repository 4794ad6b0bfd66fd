import assert from "node:assert/strict";
import { test } from "node:test";

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";

import { Account } from "../account.js";
import { BlindedKey } from "../blinding.js";
import { type Bytes, H, hex, hkdf, integer, join, littleEndian, split, u, unhex } from "../notation.js";
import { PlainKey } from "../signature.js";
import { load } from "./load.js";

const vectors = load<{ time_ms: number } & { [name: string]: string }>("opengroup");
const raw = (name: string): Bytes => unhex(vectors[name] ?? "");
const [alice, bob] = ["alice_seed", "bob_seed"].map((name) => new Account(raw(name))) as [Account, Account];
const time = u(8, vectors.time_ms);

function memberKey(account: Account): BlindedKey {
  return new BlindedKey(account.signingSeed, "essaim/member/v1", account.key("rooms"), raw("host_id"));
}

test("members, requests and statements of rooms", () => {
  const host = new PlainKey(raw("host_seed"));
  const label = (name: string) => `essaim/opengroup/${name}/v1`;
  assert.equal(hex(host.public), vectors["host_id"]);
  assert.equal(hex(host.sign(join(label("host"), raw("node_id")))), vectors["attestation"]);
  const key = memberKey(alice);
  assert.equal(hex(key.public), vectors["alice_member"]);
  const body = H(label("body"), raw("body"));
  const request = join(label("request"), raw("host_id"), u(1, 3), "Act", time, raw("nonce"), body);
  assert.equal(hex(key.sign(request)), vectors["authorization_signature"]);
  assert.equal(hex(key.sign(join(label("statement"), raw("statement")))), vectors["statement_signature"]);
  assert.equal(hex(H(label("statement"), raw("alice_member"), raw("statement"))), vectors["post_id"]);
  assert.equal(hex(H(label("room"), raw("host_id"), raw("room_id"))), vectors["chain_0"]);
  assert.equal(hex(H(label("chain"), raw("chain_0"), u(8, 1), time, raw("post_id"))), vectors["chain_1"]);
  assert.equal(hex(H(label("file"), raw("file"))), vectors["file_hash"]);
  assert.equal(hex(H(label("token"), raw("token"))), vectors["token_hash"]);
});

test("a direct message to a member", () => {
  const { ORDER } = ed25519.Point.Fn;
  const parts = join("essaim/member/v1", bob.key("rooms"), raw("host_id"));
  const factor = littleEndian(blake2b(parts, { dkLen: 64 })) % ORDER;
  const own = (factor * ed25519.utils.getExtendedPublicKey(bob.signingSeed).scalar) % ORDER;
  assert.equal(hex(ed25519.Point.BASE.multiply(own).toBytes()), vectors["bob_member"]);
  const [, shown, box] = split(raw("direct_data"), 1, 32) as [Bytes, Bytes, Bytes];
  const both = [shown, raw("alice_member")].map((point) => ed25519.Point.fromBytes(point).multiply(own).toBytes());
  const info = join(shown, raw("alice_member"), raw("bob_member"), raw("host_id"));
  const key = hkdf(join(...both), "essaim/opengroup/direct/v1", info);
  const padded = chacha20poly1305(key, new Uint8Array(12)).decrypt(box);
  const length = Number(integer(padded.slice(0, 2)));
  assert.equal(hex(padded.slice(2, 2 + length)), vectors["direct_text"]);
  assert.equal(padded.length % 256, 0);
});
