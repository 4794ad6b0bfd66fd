/** One's own device: its keys, what it publishes, the sessions with others (identity.md, 3 and 5; end-to-end.md, 5). */

import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import type { Account } from "./account.js";
import { certificateOf, firstManifest, type PeerDevice, readManifest } from "./manifest.js";
import { type Bytes, hkdf, random } from "./notation.js";
import { sealEntry } from "./outbox_entry.js";
import type { PrivatePair } from "./pqxdh.js";
import { writeOneTimePrekey, writeSignedPrekeys } from "./prekeys.js";
import type { Session } from "./session.js";
import { PlainKey } from "./signature.js";

/** Everything that must be on the disk: private keys, and what they were used for. */
export interface DeviceState {
  signingSeed: Bytes;
  agreement: Bytes;
  manifest: Bytes;
  /** Newest first. */
  signedPrekeys: (PrivatePair & { id: number; createdMs: number })[];
  oneTimePrekeys: { id: number; x25519: Bytes }[];
  nextPrekeyId: number;
  /** Of each peer the active one first. */
  sessions: Session[];
  /** Ephemeral keys of sessions that others began, in hexadecimal: none begins twice. */
  begun: string[];
}

const SLOT = 0;

/** The first device of a new account. */
export function makeDevice(account: Account, nowMs: number): DeviceState {
  const [signingSeed, agreement] = [random(32), random(32)];
  const record = {
    slot: SLOT,
    deviceId: random(16),
    signing: ed25519.getPublicKey(signingSeed),
    agreement: x25519.getPublicKey(agreement),
    kem: ml_kem768.keygen(random(64)).publicKey, // laid out; no handshake uses it yet
  };
  const manifest = firstManifest(account, record, nowMs);
  const signedPrekeys = [{ id: 1, createdMs: nowMs, x25519: random(32), kem: random(64) }];
  return {
    signingSeed,
    agreement,
    manifest,
    signedPrekeys,
    oneTimePrekeys: [],
    nextPrekeyId: 2,
    sessions: [],
    begun: [],
  };
}

export class Device {
  /** As others see it. */
  readonly listed: PeerDevice;
  readonly certificate: Bytes;
  readonly slot = SLOT;

  constructor(
    account: Account,
    readonly state: DeviceState,
  ) {
    [this.listed] = readManifest(account.identity, state.manifest).devices as [PeerDevice];
    this.certificate = certificateOf(state.manifest);
  }

  /** Entries of the outbox, by name. */
  entries(): { [name: string]: Bytes } {
    const { identity, slot } = this.listed;
    const [{ id, createdMs, x25519: secret, kem }] = this.state.signedPrekeys as [DeviceState["signedPrekeys"][0]];
    const keys = { id, x25519: x25519.getPublicKey(secret), mlkem: ml_kem768.keygen(kem).publicKey };
    const prekeys = writeSignedPrekeys(this.listed, new PlainKey(this.state.signingSeed), keys, createdMs);
    const contents = { manifest: this.state.manifest, [`prekeys/${slot}`]: prekeys };
    return Object.fromEntries(
      Object.entries(contents).map(([name, content]) => [name, sealEntry(identity, name, content)]),
    );
  }

  /** One-time prekeys for one storage node. Save the state before they are published. */
  newOneTimePrekeys(nodeId: Bytes, count: number): Bytes[] {
    return Array.from({ length: count }, () => {
      const key = { id: this.state.nextPrekeyId++, x25519: random(32) };
      this.state.oneTimePrekeys.push(key);
      const shown = { id: key.id, x25519: x25519.getPublicKey(key.x25519) };
      return writeOneTimePrekey(this.listed, new PlainKey(this.state.signingSeed), nodeId, shown);
    });
  }

  /** The key by which the device reads its slot of a mailbox. */
  slotKey(mailboxId: Bytes): PlainKey {
    const secret = hkdf(this.state.signingSeed, "essaim/device/v1", "slot");
    return new PlainKey(hkdf(secret, "essaim/slot/v1", mailboxId));
  }
}
