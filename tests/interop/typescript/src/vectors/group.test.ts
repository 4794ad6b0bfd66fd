import assert from "node:assert/strict";
import { test } from "node:test";

import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";

import { blindedPublic } from "../blinding.js";
import { step } from "../chain.js";
import { type Bytes, H, hex, hkdf, hmac, integer, join, split, u, unhex, unpad } from "../notation.js";
import { PlainKey, signed } from "../signature.js";
import { load } from "./load.js";

interface Vectors {
  log: { group_id: string; heads: string[] };
  epoch: { secret: string; admin_seed: string; epoch_id: string; day: number; frame_key: string; mailbox_id: string };
  speech: {
    export_keys: string[];
    chain_key: string;
    signing_seed: string;
    chain_announcement: string;
    epoch_announcement: string;
    envelopes: string[];
  };
}

const { log, epoch, speech } = load<Vectors>("group");
const groupId = unhex(log.group_id);
const NONCE = new Uint8Array(12);

test("the mailbox of a group's day follows from the epoch", () => {
  const [secret, admin, day] = [unhex(epoch.secret), new PlainKey(unhex(epoch.admin_seed)).public, u(4, epoch.day)];
  assert.equal(hex(H("essaim/group-epoch/v1", groupId, admin, secret).slice(0, 16)), epoch.epoch_id);
  const seed = (name: string) => hkdf(secret, "essaim/group/v1", join(name, day));
  assert.equal(hex(seed("frame")), epoch.frame_key);
  const keys = [new PlainKey(seed("read")).public, new PlainKey(seed("write")).public];
  const policy = join(u(1, 4), ...keys, blindedPublic(admin, "essaim/group/v1", secret, day));
  assert.equal(hex(H("essaim/mailbox/v1", policy)), epoch.mailbox_id);
});

/** The notice and the secret, for who has an export key of one of the entries. */
function announced(encoded: Bytes, exported: Bytes): { notice: Bytes; secret: Bytes } {
  const [, notice, , entries] = split(encoded, 2, Number(integer(encoded.slice(0, 2))), 2) as [
    Bytes,
    Bytes,
    Bytes,
    Bytes,
  ];
  const keys = hkdf(exported, "essaim/group-entry/v1", join(groupId, notice.slice(1, 17)), 64);
  const tag = hex(hmac(keys.slice(0, 32), notice).slice(0, 8));
  for (let at = 0; at < entries.length; at += 56) {
    if (hex(entries.slice(at, at + 8)) !== tag) continue;
    const cipher = chacha20poly1305(keys.slice(32), NONCE, notice);
    return { notice, secret: cipher.decrypt(entries.slice(at + 8, at + 56)) };
  }
  throw new RangeError("not announced to this one");
}

test("what is said in a group is heard by who was announced to", () => {
  const keys = speech.export_keys.map(unhex);
  assert.equal(hex(announced(unhex(speech.epoch_announcement), keys[1] as Bytes).secret), epoch.secret);
  const { notice, secret } = announced(unhex(speech.chain_announcement), keys[0] as Bytes);
  assert.equal(hex(secret), speech.chain_key);
  const signing = notice.slice(50, 82);
  assert.equal(hex(signing), hex(new PlainKey(unhex(speech.signing_seed)).public));
  const chain = { headerKey: join(), chainKey: secret, next: 0 };
  for (const [number, envelope] of speech.envelopes.map(unhex).entries()) {
    const cipher = xchacha20poly1305(unhex(epoch.frame_key), envelope.slice(0, 24), join("spoken"));
    const [kind, front, box] = split(unpad(cipher.decrypt(envelope.slice(24))), 1, 53) as [Bytes, Bytes, Bytes];
    assert.deepEqual([Number(integer(kind)), Number(integer(front.slice(49)))], [1, number]);
    const plain = chacha20poly1305(step(chain), envelope.slice(0, 12), join(groupId, front)).decrypt(box);
    const [signature, said] = split(plain, 64) as [Bytes, Bytes];
    const label = "essaim/group-message/v1";
    const told = [groupId, front.slice(0, 16), front.slice(49), H(label, said)];
    assert.ok(signed(signing, signature, label, ...told));
    const heads = join(u(1, log.heads.length), ...log.heads.map(unhex));
    assert.equal(hex(said), hex(join(heads, `content ${number}`)));
  }
});
