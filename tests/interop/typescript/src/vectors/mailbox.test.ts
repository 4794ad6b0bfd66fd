import assert from "node:assert/strict";
import { test } from "node:test";

import { ed25519 } from "@noble/curves/ed25519.js";

import { Mailbox, payload, PUBLIC_INBOX, OUTBOX } from "../mailbox.js";
import { H, hex, join, u, unhex } from "../notation.js";
import { isSolved } from "../puzzle.js";
import { PlainKey, signed } from "../signature.js";
import { load } from "./load.js";

interface Vectors {
  keys: { owner_seed: string; writer_seed: string; device_seed: string };
  policies: { [name: string]: { policy: string; mailbox_id: string } };
  envelopes: {
    mailbox: string;
    slot: string;
    version: number;
    expires_ms: number;
    fill: number;
    size: number;
    envelope_id: string;
  }[];
  slot_records: { mailbox: string; slot: number; version: number; encoded: string; dropped?: boolean }[];
  payloads: { read_slot_0: string; confirm_slot_0: string; ids: string[]; prekeys: string; prekeys_of: Prekeys };
  authorizations: Authorized[];
  puzzles: { mailbox: string; subject: string; bits: number; solution: string }[];
}

interface Prekeys {
  slot: string;
  node_id: string;
  version: number;
  prekeys: string[];
}

interface Authorized {
  mailbox: string;
  method: string;
  payload_hash: string;
  expires_ms: number;
  time_ms: number;
  nonce: string;
  slot_record: string;
  signature: string;
}

const vectors = load<Vectors>("mailbox");
const owner = new PlainKey(unhex(vectors.keys.owner_seed));
const writer = new PlainKey(unhex(vectors.keys.writer_seed));
const device = new PlainKey(unhex(vectors.keys.device_seed));
const mailboxes: { [name: string]: Mailbox } = {
  public_inbox: new Mailbox(PUBLIC_INBOX, { read: owner.public }),
  outbox: new Mailbox(OUTBOX, { write: writer.public }),
  private_inbox: new Mailbox(3, { read: owner.public, write: writer.public }),
  group: new Mailbox(4, { read: owner.public, write: writer.public, erase: device.public }),
};

/** Blobs have a policy of their own, which these clients do not use. */
function known<Named extends { mailbox: string }>(all: Named[]): (Named & { box: Mailbox })[] {
  return all.flatMap((each) => (mailboxes[each.mailbox] ? [{ ...each, box: mailboxes[each.mailbox] as Mailbox }] : []));
}

test("policies and mailbox ids", () => {
  for (const [name, mailbox] of Object.entries(mailboxes)) {
    assert.deepEqual({ policy: hex(mailbox.policy), mailbox_id: hex(mailbox.id) }, vectors.policies[name]);
  }
});

test("envelope ids", () => {
  for (const { box, slot, version, expires_ms, fill, size, envelope_id } of known(vectors.envelopes)) {
    const data = new Uint8Array(size).fill(fill);
    assert.equal(hex(box.envelopeId({ slot: unhex(slot), version, expiresMs: expires_ms, data })), envelope_id);
  }
});

test("slot records", () => {
  for (const { box, mailbox, slot, version, encoded, dropped } of known(vectors.slot_records)) {
    const signer = mailbox === "outbox" ? writer : owner;
    const key = dropped ? new Uint8Array(32) : device.public;
    assert.equal(hex(box.slotRecord(signer, slot, key, version)), encoded);
  }
});

test("payload hashes", () => {
  const { ids, read_slot_0, confirm_slot_0, prekeys, prekeys_of: of } = vectors.payloads;
  const slot = join(u(1, 1), u(1, 0));
  assert.equal(hex(payload(slot)), read_slot_0);
  assert.equal(hex(payload(slot, u(4, ids.length), ...[...ids].sort().map(unhex))), confirm_slot_0);
  const listed = of.prekeys.map((each) => join(u(4, each.length / 2), unhex(each)));
  const parts = [slot, unhex(of.node_id), u(8, of.version), u(4, of.prekeys.length), ...listed];
  assert.equal(hex(payload(...parts)), prekeys);
});

test("what requests are signed over", () => {
  for (const each of known(vectors.authorizations)) {
    const { box, method, payload_hash, expires_ms, time_ms, nonce, slot_record, signature } = each;
    const text = box.signedText(method, unhex(payload_hash), expires_ms, time_ms, unhex(nonce));
    const keys = slot_record ? [device] : [owner, writer, device];
    assert.ok(
      keys.some((key) => signed(key.public, unhex(signature), "", text)),
      `${each.mailbox} ${method}`,
    );
    assert.ok(!keys.some((key) => signed(key.public, unhex(signature), "", join(text, u(1, 0)))));
  }
});

test("puzzles", () => {
  for (const { box, subject, bits, solution } of known(vectors.puzzles)) {
    assert.ok(isSolved(box.id, unhex(subject), unhex(solution), bits));
    assert.ok(!isSolved(box.id, unhex(subject), H("another"), bits + 40));
  }
});

test("keys that are no points of prime order are refused", () => {
  const small = ed25519.Point.ZERO.toBytes();
  assert.ok(!signed(small, new Uint8Array(64), "", small));
});
