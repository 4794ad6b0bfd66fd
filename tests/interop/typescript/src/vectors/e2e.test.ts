import assert from "node:assert/strict";
import { test } from "node:test";

import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { Account, readAccountId } from "../account.js";
import { BlindedKey, blindedPublic } from "../blinding.js";
import { markOf } from "../content.js";
import { Device, makeDevice } from "../device.js";
import { readManifest } from "../manifest.js";
import { type Bytes, hex, hkdf, join, u, unhex } from "../notation.js";
import { openEntry } from "../outbox_entry.js";
import { checkPin } from "../pin.js";
import { readPhrase, writePhrase } from "../phrase.js";
import { readOneTimePrekey, readSignedPrekeys } from "../prekeys.js";
import { open, seal, sessionWith, start } from "../session.js";
import { signed } from "../signature.js";
import { load } from "./load.js";

interface Person {
  words: string;
  id: string;
  identity_seed: string;
  identity: string;
  agreement_private: string;
  mailbox_secret: string;
  backup_key: string;
  public_inbox_key: string;
  outbox_key: string;
  outbox_signature_of_hello: string;
  private_inbox: { secret: string; day: number; read_key: string; write_seed: string };
  device: { id: string; signing_seed: string; agreement_private: string; slot_seed_in_mailbox_of_zeros: string };
  signed_prekey_private: string;
  signed_kem_prekey_seed: string;
  manifest_hash: string;
  manifest_entry: string;
  prekeys_entry: string;
}

interface Vectors {
  alice: Person;
  bob: Person & { node_id: string; one_time_sealed: string; one_time_private: string };
  story: { to: string; text: string; envelope: string }[];
}

const vectors = load<Vectors>("e2e");

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

/** Bob's device, put together from the vectors' private keys. */
function bob(): Device {
  const { words, device, manifest_entry, prekeys_entry, signed_prekey_private, ...rest } = vectors.bob;
  const account = new Account(readPhrase(words));
  const manifest = openEntry(account.identity, "manifest", unhex(manifest_entry));
  const [listed] = readManifest(account.identity, manifest).devices;
  assert.ok(listed);
  const { id } = readSignedPrekeys(listed, openEntry(account.identity, "prekeys/0", unhex(prekeys_entry)));
  const oneTime = readOneTimePrekey(listed, unhex(rest.node_id), unhex(rest.one_time_sealed));
  assert.equal(hex(oneTime.x25519), hex(x25519.getPublicKey(unhex(rest.one_time_private))));
  const pair = { id, createdMs: 0, x25519: unhex(signed_prekey_private), kem: unhex(rest.signed_kem_prekey_seed) };
  return new Device(account, {
    signingSeed: unhex(device.signing_seed),
    agreement: unhex(device.agreement_private),
    manifest,
    signedPrekeys: [pair],
    oneTimePrekeys: [{ id: oneTime.id, x25519: unhex(rest.one_time_private) }],
    nextPrekeyId: 100,
    sessions: [],
    begun: [],
  });
}

test("initial messages to Bob", () => {
  const device = bob();
  for (const { text, envelope } of vectors.story.slice(0, 2)) {
    const opened = open(device, unhex(envelope));
    assert.equal(hex(opened?.from.identity ?? new Uint8Array()), vectors.alice.identity);
    assert.equal(Buffer.from(opened?.content ?? []).toString(), text);
  }
  assert.equal(device.state.oneTimePrekeys.length, 0);
  assert.equal(open(device, unhex(vectors.story[0]?.envelope ?? "")), undefined); // shown once
});

/** Two devices of this client with a session between them. */
function pair(): [Device, Device] {
  const [one, other] = [1, 2].map((fill) => {
    const account = new Account(new Uint8Array(32).fill(fill));
    return new Device(account, makeDevice(account, 1));
  }) as [Device, Device];
  const entry = openEntry(other.listed.identity, "prekeys/0", other.entries()["prekeys/0"] as Bytes);
  start(one, { device: other.listed, signed: readSignedPrekeys(other.listed, entry), oneTime: undefined });
  return [one, other];
}

function sealed(from: Device, to: Device, text: string): Bytes {
  const session = sessionWith(from, to.listed);
  assert.ok(session);
  return seal(from, session, join(text));
}

function read(device: Device, envelope: Bytes): string | undefined {
  const opened = open(device, envelope);
  return opened && Buffer.from(opened.content).toString();
}

test("messages that are lost, late, repeated and altered", () => {
  const [one, other] = pair();
  const first = [1, 2, 3].map((number) => sealed(one, other, `${number}`));
  assert.deepEqual(
    [2, 0, 2, 1].map((at) => read(other, first[at] as Bytes)),
    ["3", "1", undefined, "2"],
  );
  assert.equal(read(one, sealed(other, one, "answer")), "answer");
  const second = [1, 2, 3, 4].map((number) => sealed(one, other, `${number}`));
  assert.ok(second.every(({ length }) => length === 4096));
  const altered = (second[0] as Bytes).slice();
  altered[4000] = (altered[4000] as number) ^ 1;
  assert.equal(read(other, altered), undefined);
  assert.equal(read(other, second[3] as Bytes), "4");
  assert.equal(read(one, sealed(other, one, "turned")), "turned");
  assert.equal(read(other, sealed(one, other, "turned again")), "turned again");
  assert.deepEqual(
    [0, 2, 0].map((at) => read(other, second[at] as Bytes)),
    ["1", "3", undefined],
  );
});

test("pins", () => {
  const [one] = pair();
  const manifest = readManifest(one.listed.identity, one.state.manifest);
  const pin = checkPin(undefined, manifest);
  assert.deepEqual(checkPin(pin, manifest), pin);
  assert.throws(() => checkPin({ ...pin, version: "1" }, manifest), { reason: "MANIFEST_ROLLBACK" });
  assert.throws(() => checkPin({ ...pin, hash: new Uint8Array(32) }, manifest), { reason: "MANIFEST_FORK" });
});

test("the mark of an entry", () => {
  interface Marks {
    authorship_key: string;
    conversation: string;
    content_without_mark: string;
    content: string;
  }
  const { marks } = load<{ marks: Marks }>("messaging");
  const bare = unhex(marks.content_without_mark);
  const mark = markOf(unhex(marks.authorship_key), unhex(marks.conversation), bare);
  assert.equal(hex(join(bare, Uint8Array.of(0x9a, 0x01, 0x10), mark)), marks.content);
});
