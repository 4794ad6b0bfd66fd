import assert from "node:assert/strict";
import { test } from "node:test";

import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { Account, readAccountId } from "../account.js";
import { BlindedKey, blindedPublic } from "../blinding.js";
import { readManifest } from "../manifest.js";
import { hex, hkdf, join, u, unhex } from "../notation.js";
import { openEntry } from "../outbox_entry.js";
import { readPhrase, writePhrase } from "../phrase.js";
import { readSignedPrekeys } from "../prekeys.js";
import { signed } from "../signature.js";
import { load } from "./load.js";
import { vectors } from "./people.js";

test("24 words", () => {
  const { vectors: words } = load<{ vectors: { entropy: string; words: string }[] }>("bip39");
  for (const each of words) {
    assert.equal(writePhrase(unhex(each.entropy)), each.words);
    assert.equal(hex(readPhrase(` ${each.words.toUpperCase()} `)), each.entropy);
  }
  assert.throws(() => readPhrase("abandon"), { reason: "PHRASE_LENGTH" });
  assert.throws(() => readPhrase(Array(24).fill("essaim").join(" ")), { reason: "PHRASE_WORD" });
  assert.throws(() => readPhrase(Array(24).fill("abandon").join(" ")), { reason: "PHRASE_CHECKSUM" });
});

for (const name of ["alice", "bob"] as const) {
  const person = vectors[name];
  const account = new Account(readPhrase(person.words));

  test(`${name}'s keys`, () => {
    assert.equal(hex(account.signingSeed), person.identity_seed);
    assert.equal(hex(account.key("identity agreement")), person.agreement_private);
    assert.equal(hex(account.key("mailbox")), person.mailbox_secret);
    assert.equal(hex(account.key("backup")), person.backup_key);
    assert.equal(account.id, person.id);
    assert.equal(hex(readAccountId(person.id)), person.identity);
    assert.throws(() => readAccountId(`${person.id.slice(0, -1)}q`), { reason: "ACCOUNT_ID_REFUSED" });
  });

  test(`${name}'s blinded keys`, () => {
    const { secret, day, read_key } = person.private_inbox;
    assert.equal(hex(account.inboxKey.public), person.public_inbox_key);
    assert.equal(hex(blindedPublic(account.identity, "essaim/outbox/v1", account.identity)), person.outbox_key);
    const dayKey = new BlindedKey(account.signingSeed, "essaim/private/v1", unhex(secret), u(4, day));
    assert.equal(hex(dayKey.public), read_key);
    assert.equal(
      hex(hkdf(unhex(secret), "essaim/private/v1", join("write", u(4, day)))),
      person.private_inbox.write_seed,
    );
    const hello = join("hello");
    assert.equal(hex(account.outboxKey.sign(hello)), person.outbox_signature_of_hello);
    assert.ok(signed(account.outboxKey.public, account.outboxKey.sign(hello), "", hello));
  });

  test(`${name}'s outbox`, () => {
    const manifest = readManifest(
      account.identity,
      openEntry(account.identity, "manifest", unhex(person.manifest_entry)),
    );
    assert.equal(hex(manifest.hash), person.manifest_hash);
    const [device] = manifest.devices;
    assert.ok(device);
    assert.equal(hex(device.deviceId), person.device.id);
    const prekeys = readSignedPrekeys(device, openEntry(account.identity, "prekeys/0", unhex(person.prekeys_entry)));
    assert.equal(hex(prekeys.x25519), hex(x25519.getPublicKey(unhex(person.signed_prekey_private))));
    assert.equal(hex(prekeys.mlkem), hex(ml_kem768.keygen(unhex(person.signed_kem_prekey_seed)).publicKey));
    const secret = hkdf(unhex(person.device.signing_seed), "essaim/device/v1", "slot");
    assert.equal(hex(hkdf(secret, "essaim/slot/v1", new Uint8Array(32))), person.device.slot_seed_in_mailbox_of_zeros);
  });
}
