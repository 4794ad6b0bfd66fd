import assert from "node:assert/strict";
import { test } from "node:test";

import { x25519 } from "@noble/curves/ed25519.js";

import { Account } from "../account.js";
import { markOf } from "../content.js";
import { Device, makeDevice } from "../device.js";
import { readManifest } from "../manifest.js";
import { type Bytes, hex, join, unhex } from "../notation.js";
import { openEntry } from "../outbox_entry.js";
import { checkPin } from "../pin.js";
import { readPhrase } from "../phrase.js";
import { readOneTimePrekey, readSignedPrekeys } from "../prekeys.js";
import { open, seal, sessionWith, start } from "../session.js";
import { load } from "./load.js";
import { vectors } from "./people.js";

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
