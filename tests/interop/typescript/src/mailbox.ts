/** A mailbox: the policy that names it, and the requests that its keys sign (mailbox.md, 1 to 6 and 9). */

import { blindedPublic } from "./blinding.js";
import { type Bytes, equal, H, join, random, u } from "./notation.js";
import type { Signer } from "./signature.js";

export const PUBLIC_INBOX = 1;
export const OUTBOX = 2;
export const NOBODY = new Uint8Array(32);

export interface Authorization {
  timeMs: number;
  nonce: Bytes;
  signature: Bytes;
  slotRecord: Bytes;
}

export interface NewEnvelope {
  slot: Bytes;
  expiresMs: number;
  data: Bytes;
  version?: number;
}

/** Who signs for a mailbox: its owner, or a slot's key under the owner's slot record. */
export interface Access {
  signer: Signer;
  slotRecord?: Bytes;
}

export class Mailbox {
  readonly policy: Bytes;
  readonly id: Bytes;

  constructor(
    readonly kind: number,
    keys: { read?: Bytes; write?: Bytes; erase?: Bytes },
    readonly access?: Access,
  ) {
    this.policy = join(u(1, kind), keys.read ?? NOBODY, keys.write ?? NOBODY, keys.erase ?? NOBODY);
    this.id = H("essaim/mailbox/v1", this.policy);
  }

  envelopeId({ slot, expiresMs, data, version = 0 }: NewEnvelope): Bytes {
    return H("essaim/envelope/v1", u(8, version), this.id, named(slot), u(8, expiresMs), data);
  }

  /** The owner's word on whose a device slot is: 137 bytes. */
  slotRecord(owner: Signer, slot: number, key: Bytes, version: number | bigint): Bytes {
    const record = join(this.id, u(1, slot), key, u(8, version));
    return join(record, owner.sign(join("essaim/slot/v1", record)));
  }

  signedText(method: string, hash: Bytes, expiresMs: number, timeMs: number, nonce: Bytes): Bytes {
    const name = named(join(method));
    return join("essaim/authorization/v1", this.id, name, hash, u(8, expiresMs), u(8, timeMs), nonce);
  }

  store(envelope: NewEnvelope, nowMs: number): object {
    const { expiresMs } = envelope;
    const signed = this.access && this.authorization("Store", this.envelopeId(envelope), nowMs, expiresMs);
    return this.request({ envelopes: [{ ...envelope, ...(signed && { authorization: signed }) }] });
  }

  /** Of a Retrieve or a Subscribe. */
  read(method: "Retrieve" | "Subscribe", slot: Bytes, nowMs: number, fields: object = {}): object {
    const signed = this.access && this.authorization(method, payload(named(slot)), nowMs);
    return this.request({ slot, ...fields, ...(signed && { authorization: signed }) });
  }

  confirm(slot: Bytes, ids: Bytes[], nowMs: number): object {
    const ordered = [...ids].sort(Buffer.compare);
    const hash = payload(named(slot), u(4, ids.length), ...ordered);
    return this.request({ slot, envelopeIds: ordered, authorization: this.authorization("Confirm", hash, nowMs) });
  }

  publishPrekeys(slot: Bytes, nodeId: Bytes, version: number, prekeys: Bytes[], nowMs: number): object {
    const listed = prekeys.map((each) => join(u(4, each.length), each));
    const hash = payload(named(slot), nodeId, u(8, version), u(4, prekeys.length), ...listed);
    const authorization = this.authorization("PublishPrekeys", hash, nowMs);
    return this.request({ slot, nodeId, version, prekeys, authorization });
  }

  claimPrekey(slot: Bytes, claimId: Bytes): object {
    return this.request({ slot, claimId });
  }

  private request(fields: object): object {
    return { mailbox: { id: this.id, policy: this.policy }, ...fields };
  }

  private authorization(method: string, hash: Bytes, timeMs: number, expiresMs = 0): Authorization {
    if (!this.access) throw new TypeError(`${method} needs a key of the mailbox`);
    const { signer, slotRecord = new Uint8Array() } = this.access;
    const nonce = random(16);
    const signature = signer.sign(this.signedText(method, hash, expiresMs, timeMs, nonce));
    return { timeMs, nonce, signature, slotRecord };
  }
}

export function payload(...parts: Bytes[]): Bytes {
  return H("essaim/payload/v1", ...parts);
}

/** length u8 | bytes */
function named(bytes: Bytes): Bytes {
  return join(u(1, bytes.length), bytes);
}

export function publicInbox(identity: Bytes, access?: Access): Mailbox {
  return new Mailbox(PUBLIC_INBOX, { read: blindedPublic(identity, "essaim/public/v1", identity) }, access);
}

export function outbox(identity: Bytes, access?: Access): Mailbox {
  return new Mailbox(OUTBOX, { write: blindedPublic(identity, "essaim/outbox/v1", identity) }, access);
}

/** Whether an answer's envelope is what its id says, in the slot that was asked. */
export function isGenuine(mailbox: Mailbox, slot: Bytes, found: StoredEnvelope): boolean {
  const { data, expiresMs, version, envelopeId } = found;
  const id = mailbox.envelopeId({ slot, expiresMs: Number(expiresMs), data, version: Number(version) });
  return equal(found.slot, slot) && equal(id, envelopeId);
}

export interface StoredEnvelope {
  envelopeId: Bytes;
  slot: Bytes;
  expiresMs: string;
  data: Bytes;
  size: number;
  version: string;
}

/** What one member answers to a Retrieve or a Subscribe. */
export interface Page {
  envelopes: StoredEnvelope[];
  cursor: Bytes;
  more: boolean;
  incomplete: boolean;
}
