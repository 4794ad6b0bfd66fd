/** One node of the view: the authorities' word on it, its own word, its onion keys (view.md, "Entries"). */

import { isIP } from "node:net";

import { type Bytes, check, equal, H, join } from "./notation.js";
import { decode } from "./messages.js";
import { checkSigned, isPublicKey } from "./signature.js";

export const RELAY = 1;
export const STORAGE = 2;
export const ACTIVE = 1;

interface Status {
  nodeId: Bytes;
  state: number;
  swarmId: string;
  hasSwarm: boolean;
  moving: boolean;
  hasNextSwarm: boolean;
  moveSerial: string;
}

interface Descriptor {
  networkId: Bytes;
  nodeId: Bytes;
  role: number;
  address: string;
  certificates: Bytes[];
  operatorId: Bytes;
  region: string;
  startId: Bytes;
  version: string;
}

interface KeyRecord {
  nodeId: Bytes;
  startId: Bytes;
  kind: number;
  firstPeriod: string;
  keys: Bytes[];
}

export interface Node {
  id: Bytes;
  role: number;
  state: number;
  /** Where reads go; none: no storage node, or one without a place. */
  swarm: bigint | undefined;
  address: string;
  certificates: Bytes[];
  operatorId: Bytes;
  region: string;
  /** By period: X25519 and ML-KEM-768 public keys. */
  x25519: Map<number, Bytes>;
  mlkem: Map<number, Bytes>;
}

export function entryHash(pieces: Bytes[]): Bytes {
  return H("essaim/view-entry/v1", ...pieces.map((piece) => H("essaim/view-piece/v1", piece)));
}

/** What the pieces say, in form. Its signatures: `checkSignatures`. */
export function readEntry(pieces: Bytes[], networkId: Bytes): Node {
  const [first, second, ...records] = pieces;
  check(first !== undefined && second !== undefined && records.length <= 32);
  const status = decode<Status>("essaim.view.v1.NodeStatus", first);
  check(status.nodeId.length === 32 && status.state > 0);
  check(!status.moving || ((status.hasSwarm || status.hasNextSwarm) && status.moveSerial !== "0"));
  const said = readDescriptor(second);
  check(equal(said.networkId, networkId) && equal(said.nodeId, status.nodeId) && isPublicKey(said.nodeId));
  const node = { id: said.nodeId, role: said.role, state: status.state, address: said.address };
  const keys = readKeys(records, said);
  const swarm = status.hasSwarm ? BigInt(status.swarmId) : undefined;
  return { ...node, ...keys, swarm, certificates: said.certificates, operatorId: said.operatorId, region: said.region };
}

/** Order of refusals: all that is MALFORMED anywhere comes before a signature that is wrong. */
export function checkSignatures(pieces: Bytes[], nodeId: Bytes): void {
  pieces.slice(1).forEach((piece, index) => {
    const [name, label] = index === 0 ? ["Descriptor", "descriptor"] : ["KeyRecord", "key-record"];
    const signed = decode<{ [field: string]: Bytes }>(`essaim.view.v1.Signed${name}`, piece);
    const body = signed["descriptor"] ?? signed["record"] ?? join();
    checkSigned("BAD_SIGNATURE", nodeId, signed["signature"] ?? join(), `essaim/${label}/v1`, body);
  });
}

function readDescriptor(piece: Bytes): Descriptor {
  const { descriptor } = decode<{ descriptor: Bytes }>("essaim.view.v1.SignedDescriptor", piece);
  const said = decode<Descriptor>("essaim.view.v1.Descriptor", descriptor);
  check(descriptor.length <= 8192 && said.role > 0 && isAddress(said.address));
  check(said.certificates.length >= 1 && said.certificates.length <= 2);
  check(said.certificates.every((each) => each.length >= 1 && each.length <= 2048));
  check([0, 32].includes(said.operatorId.length) && said.startId.length === 16);
  check([...said.region].length <= 32 && [...said.version].length <= 32);
  return said;
}

function isAddress(address: string): boolean {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(address);
  const port = Number(found?.[3] ?? 0);
  const family = found?.[1] ? isIP(found[1]) === 6 : isIP(found?.[2] ?? "") === 4;
  return address.length <= 64 && family && port >= 1 && port <= 65535;
}

function readKeys(records: Bytes[], said: Descriptor): { x25519: Map<number, Bytes>; mlkem: Map<number, Bytes> } {
  const made = { x25519: new Map<number, Bytes>(), mlkem: new Map<number, Bytes>() };
  for (const piece of records) {
    const { record } = decode<{ record: Bytes }>("essaim.view.v1.SignedKeyRecord", piece);
    const { nodeId, startId, kind, firstPeriod, keys } = decode<KeyRecord>("essaim.view.v1.KeyRecord", record);
    check(record.length <= 40960 && kind > 0 && keys.length >= 1 && keys.length <= 32);
    check(equal(nodeId, said.nodeId) && equal(startId, said.startId));
    if (kind > 2) continue; // of a later version
    const [periods, size] = kind === 1 ? [made.x25519, 32] : [made.mlkem, 1184];
    keys.forEach((key, index) => {
      const period = Number(firstPeriod) + index;
      check(key.length === size && !periods.has(period));
      periods.set(period, key);
    });
  }
  return made;
}
