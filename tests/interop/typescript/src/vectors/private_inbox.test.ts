import assert from "node:assert/strict";
import { test } from "node:test";

import { Account } from "../account.js";
import { BlindedKey } from "../blinding.js";
import { type Bytes, H, hex, hkdf, join, u, unhex } from "../notation.js";
import { PlainKey } from "../signature.js";
import { load } from "./load.js";

const vectors = load<{ day: number; slot: number } & { [name: string]: string }>("private_inbox");
const raw = (name: string): Bytes => unhex(vectors[name] ?? "");
const [day, secret, LABEL] = [u(4, vectors.day), raw("secret"), "essaim/private/v1"];

test("a private inbox of a day, from the account's seed and the secret", () => {
  const base = hkdf(new Account(raw("account_seed")).key("mailbox"), LABEL, join("base", secret));
  assert.equal(hex(base), vectors["base_seed"]);
  const capability = raw("capability");
  assert.equal(hex(capability.slice(21, 53)), hex(new PlainKey(base).public));
  assert.equal(hex(capability.slice(53)), vectors["secret"]);
  assert.equal(hex(H("essaim/capability/v1", secret).slice(0, 16)), vectors["name"]);
  const owner = new BlindedKey(base, LABEL, secret, day);
  const writer = new PlainKey(hkdf(secret, LABEL, join("write", day)));
  const policy = join(u(1, 3), owner.public, writer.public, new Uint8Array(32));
  assert.equal(hex(policy), vectors["policy"]);
  const id = H("essaim/mailbox/v1", policy);
  assert.equal(hex(id), vectors["mailbox_id"]);
  const slotKey = new BlindedKey(raw("device_signing_seed"), "essaim/private-slot/v1", secret, day);
  assert.equal(hex(slotKey.public), vectors["slot_key"]);
  assert.equal(hex(slotKey.sign(join("hello"))), vectors["slot_signature_of_hello"]);
  const signed = join(id, u(1, vectors.slot), slotKey.public, raw("block").slice(0, 8));
  const at = 8 + 64 * (vectors.day % 32);
  assert.equal(hex(raw("block").slice(at, at + 64)), hex(owner.sign(join("essaim/slot/v1", signed))));
  assert.equal(hex(join(signed, raw("block").slice(at, at + 64))), vectors["slot_record"]);
});
