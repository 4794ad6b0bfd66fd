/** The part of a view that the authorities sign (view.md, "Header"). */

import { decode } from "./messages.js";
import { type AuthoritySignature, checkParameters, type Genesis, type Parameters, threshold } from "./genesis.js";
import { type Bytes, check, equal, H } from "./notation.js";
import { signed } from "./signature.js";

export interface Header {
  networkId: Bytes;
  epoch: string;
  serial: string;
  previousHash: Bytes;
  validFromMs: string;
  freshUntilMs: string;
  validUntilMs: string;
  nodesRoot: Bytes;
  parameters: Parameters;
}

export interface SignedHeader {
  header: Bytes;
  signatures: AuthoritySignature[];
}

export function headerHash(header: Bytes): Bytes {
  return H("essaim/view-header/v1", header);
}

export function readHeader(raw: Bytes): Header {
  const header = decode<Header>("essaim.view.v1.Header", raw);
  const [from, fresh, until] = [BigInt(header.validFromMs), BigInt(header.freshUntilMs), BigInt(header.validUntilMs)];
  check(header.previousHash.length === 32 && header.epoch !== "0" && header.serial !== "0");
  check(from <= fresh && fresh <= until);
  check(header.serial !== "1" || header.previousHash.every((byte) => byte === 0));
  checkParameters(header.parameters);
  return header;
}

/** Enough different authorities of this network signed exactly these bytes. */
export function checkHeader({ header: raw, signatures }: SignedHeader, genesis: Genesis): Header {
  const header = readHeader(raw);
  check(equal(header.networkId, genesis.networkId), "WRONG_NETWORK");
  const signers = signatures.filter(({ authority, signature }) => {
    const key = genesis.authorities[authority];
    return key && signed(key, signature, "essaim/view-signature/v1", raw);
  });
  const different = new Set(signers.map(({ authority }) => authority)).size;
  check(different >= threshold(genesis.authorities.length), "BELOW_THRESHOLD");
  return header;
}

/** Below zero: the first is older. */
export function compare(one: Header, other: Header): number {
  return Number(BigInt(one.epoch) - BigInt(other.epoch)) || Number(BigInt(one.serial) - BigInt(other.serial));
}

/** `next` comes right behind a header, and names its hash. */
export function checkStep(next: Header, before: Header, hash: Bytes): void {
  check(next.epoch === before.epoch && isNext(next, before) && equal(next.previousHash, hash), "WRONG_CHAIN");
}

export function isNext(next: Header, before: Header): boolean {
  return next.epoch === before.epoch && BigInt(next.serial) === BigInt(before.serial) + 1n;
}
