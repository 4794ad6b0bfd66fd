/** Public keys that are left behind, so that others can begin a session meanwhile (identity.md, 5). */

import { openBare, sealBare } from "./outbox_entry.js";
import type { PeerDevice } from "./manifest.js";
import { type Bytes, check, equal, integer, join, split, u } from "./notation.js";
import { checkSigned, type Signer } from "./signature.js";

export interface SignedPrekeys {
  id: number;
  x25519: Bytes;
  mlkem: Bytes;
}

export interface OneTimePrekey {
  id: number;
  x25519: Bytes;
}

type Owner = Pick<PeerDevice, "identity" | "deviceId" | "signing" | "slot">;

export function writeSignedPrekeys(owner: Owner, signer: Signer, keys: SignedPrekeys, nowMs: number): Bytes {
  const body = join(u(1, 1), owner.deviceId, u(4, keys.id), u(8, nowMs), keys.x25519, keys.mlkem);
  return join(body, signer.sign(join("essaim/prekeys/v1", owner.identity, body)));
}

export function readSignedPrekeys(owner: Owner, data: Bytes): SignedPrekeys {
  check(data.length === 1309 && data[0] === 1, "PREKEY_REFUSED");
  const [, deviceId, id, , x25519, mlkem, signature] = split(data, 1, 16, 4, 8, 32, 1184, 64) as Seven;
  check(equal(deviceId, owner.deviceId), "PREKEY_REFUSED");
  checkSigned("PREKEY_REFUSED", owner.signing, signature, "essaim/prekeys/v1", owner.identity, data.slice(0, -64));
  return { id: Number(integer(id)), x25519, mlkem };
}

/** For one storage node, which serves it once. */
export function writeOneTimePrekey(owner: Owner, signer: Signer, nodeId: Bytes, key: OneTimePrekey): Bytes {
  const body = join(u(1, 1), owner.deviceId, u(4, key.id), key.x25519);
  const signature = signer.sign(join("essaim/one-time/v1", owner.identity, nodeId, body));
  return sealBare(owner.identity, entryName(owner.slot), join(body, signature));
}

export function readOneTimePrekey(owner: Owner, nodeId: Bytes, sealed: Bytes): OneTimePrekey {
  const data = openBare(owner.identity, entryName(owner.slot), sealed);
  check(data.length === 117 && data[0] === 1, "PREKEY_REFUSED");
  const [, deviceId, id, x25519, signature] = split(data, 1, 16, 4, 32, 64) as [Bytes, Bytes, Bytes, Bytes, Bytes];
  check(equal(deviceId, owner.deviceId) && integer(id) !== 0n, "PREKEY_REFUSED");
  const signed = [owner.identity, nodeId, data.slice(0, -64)];
  checkSigned("PREKEY_REFUSED", owner.signing, signature, "essaim/one-time/v1", ...signed);
  return { id: Number(integer(id)), x25519 };
}

function entryName(slot: number): string {
  return `one-time/${slot}`;
}

type Seven = [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
