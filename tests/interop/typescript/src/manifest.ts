/** Which devices an account has, signed by the account (identity.md, 3). */

import { type Bytes, check, equal, H, integer, join, split, u } from "./notation.js";
import { checkSigned, type Signer } from "./signature.js";

const RECORD = 114;
const KEM = 1184;
const DORMANT = 2;

/** A device of a verified manifest, with what a handshake needs of its account. */
export interface PeerDevice {
  identity: Bytes;
  accountAgreement: Bytes;
  slot: number;
  flags: number;
  deviceId: Bytes;
  signing: Bytes;
  agreement: Bytes;
  manifestHash: Bytes;
}

export interface Manifest {
  version: bigint;
  timeMs: bigint;
  hash: Bytes;
  /** Hashes of the up to 32 versions before, newest first. */
  previous: Bytes[];
  devices: PeerDevice[];
}

/** The public part of one's own device, before it is listed. */
export interface DeviceRecord {
  slot: number;
  deviceId: Bytes;
  signing: Bytes;
  agreement: Bytes;
  kem: Bytes;
}

/** Version 0, with one device, which is a manager. */
export function firstManifest(
  account: { identity: Bytes; agreement: Bytes; signer: Signer },
  device: DeviceRecord,
  nowMs: number,
): Bytes {
  const { slot, deviceId, signing, agreement, kem } = device;
  const record = join(u(1, slot), u(1, 1), deviceId, signing, agreement, H("essaim/kem/v1", kem));
  const listed = join(u(1, 1), u(1, slot), H("essaim/device/v1", record));
  const previous = H("essaim/previous/v1");
  const head = join(u(1, 1), account.identity, account.agreement, u(8, 0), u(8, nowMs), previous, listed);
  return join(head, account.signer.sign(join("essaim/manifest/v1", head)), u(1, 0), record, kem);
}

/** What initial messages carry: the head and the one device that is in this client's manifests. */
export function certificateOf(manifest: Bytes): Bytes {
  const { head, signature, rest } = readHead(manifest);
  const [, record] = split(rest.slice(1 + 32 * (rest[0] as number)), 0, RECORD) as [Bytes, Bytes];
  return join(head, signature, record);
}

export function readManifest(identity: Bytes, manifest: Bytes): Manifest {
  const { head, rest, listed, version, timeMs } = readHead(manifest, identity);
  const count = rest[0] ?? 0;
  const hashes = rest.slice(1, 1 + 32 * count);
  refuse(BigInt(count) === (version < 32n ? version : 32n));
  refuse(equal(H("essaim/previous/v1", hashes), head.slice(81, 113)));
  const parts = rest.slice(1 + 32 * count);
  refuse(parts.length === listed.length * (RECORD + KEM));
  const devices = listed.map((each, index) => {
    const [, record, kem] = split(parts, index * (RECORD + KEM), RECORD, KEM) as [Bytes, Bytes, Bytes];
    refuse(isListed(each, record) && equal(H("essaim/kem/v1", kem), record.slice(82)));
    return deviceOf(head, record);
  });
  const previous = Array.from({ length: count }, (_, index) => hashes.slice(32 * index, 32 * index + 32));
  return { version, timeMs, hash: H("essaim/manifest/v1", head), previous, devices };
}

/** The one device that a certificate shows; its account is whom the head names. */
export function readCertificate(certificate: Bytes): PeerDevice {
  const { head, rest, listed } = readHead(certificate);
  refuse(rest.length === RECORD && listed.some((each) => isListed(each, rest)));
  return deviceOf(head, rest);
}

/** Its part in a handshake's transcript (end-to-end.md, 2). */
export function party(device: PeerDevice): Bytes {
  const { identity, accountAgreement, slot, deviceId, agreement, manifestHash } = device;
  return join(identity, accountAgreement, u(1, slot), deviceId, agreement, manifestHash);
}

export function isDormant({ flags }: PeerDevice): boolean {
  return (flags & DORMANT) !== 0;
}

function readHead(data: Bytes, expected?: Bytes) {
  const count = data[113] ?? 0;
  refuse(data[0] === 1 && count >= 1 && count <= 5 && data.length >= 114 + 33 * count + 64);
  const [head, signature, rest] = split(data, 114 + 33 * count, 64) as [Bytes, Bytes, Bytes];
  const identity = head.slice(1, 33);
  refuse(expected === undefined || equal(identity, expected));
  checkSigned("MANIFEST_REFUSED", identity, signature, "essaim/manifest/v1", head);
  const listed = Array.from({ length: count }, (_, index) => head.slice(114 + 33 * index, 147 + 33 * index));
  refuse(listed.every(([slot = 9], index) => slot <= 4 && (index === 0 || slot > (listed[index - 1]?.[0] ?? 9))));
  return { head, signature, rest, listed, version: integer(head.slice(65, 73)), timeMs: integer(head.slice(73, 81)) };
}

function isListed(listed: Bytes, record: Bytes): boolean {
  return equal(listed, join(record.slice(0, 1), H("essaim/device/v1", record)));
}

function deviceOf(head: Bytes, record: Bytes): PeerDevice {
  const [, identity, accountAgreement] = split(head, 1, 32, 32) as [Bytes, Bytes, Bytes];
  const [slot, flags, deviceId, signing, agreement] = split(record, 1, 1, 16, 32, 32) as [
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
  ];
  const numbers = { slot: Number(integer(slot)), flags: Number(integer(flags)) };
  return {
    identity,
    accountAgreement,
    ...numbers,
    deviceId,
    signing,
    agreement,
    manifestHash: H("essaim/manifest/v1", head),
  };
}

function refuse(unless: boolean): asserts unless {
  check(unless, "MANIFEST_REFUSED");
}
