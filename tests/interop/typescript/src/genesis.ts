/** What one must be given to begin with: authorities, parameters, discovery's certificates (view.md, "Genesis"). */

import { type Bytes, check, H, hex } from "./notation.js";
import { decode } from "./messages.js";
import { checkSigned, isPublicKey } from "./signature.js";

export interface AuthoritySignature {
  authority: number;
  signature: Bytes;
}

export interface Parameters {
  x25519PeriodSeconds: number;
  kemPeriodSeconds: number;
  viewMinIntervalMs: number;
  swarmMin: number;
  swarmTarget: number;
  swarmMax: number;
  suites: number[];
  distinctOperators: boolean;
  distinctPrefixes: boolean;
  distinctRegions: boolean;
  uptimeSeconds: number;
  awaySeconds: number;
  dropSeconds: number;
  freshSeconds: number;
  validSeconds: number;
}

export interface Genesis {
  networkId: Bytes;
  authorities: Bytes[];
  discoveryCertificates: Bytes[];
}

export function readGenesis(file: Bytes): Genesis {
  const { genesis, signatures } = decode<{ genesis: Bytes; signatures: AuthoritySignature[] }>(
    "essaim.view.v1.SignedGenesis",
    file,
  );
  const read = decode<{ authorities: Bytes[]; parameters: Parameters | null; discoveryCertificates: Bytes[] }>(
    "essaim.view.v1.Genesis",
    genesis,
  );
  const count = read.authorities.length;
  check(count >= 1 && count <= 100 && new Set(read.authorities.map(hex)).size === count);
  check(read.authorities.every(isPublicKey));
  checkParameters(read.parameters);
  read.authorities.forEach((key, index) => {
    const { signature } = signatures.find(({ authority }) => authority === index) ?? { signature: new Uint8Array() };
    checkSigned("BAD_SIGNATURE", key, signature, "essaim/genesis-signature/v1", genesis);
  });
  const networkId = H("essaim/genesis/v1", genesis);
  return { networkId, authorities: read.authorities, discoveryCertificates: read.discoveryCertificates };
}

export function checkParameters(given: Parameters | null): asserts given {
  check(given !== null);
  const { swarmMin, swarmTarget, swarmMax } = given;
  check(0 < swarmMin && swarmMin <= swarmTarget && swarmTarget <= swarmMax && 2 * swarmMin <= swarmMax + 1);
  check(0 < given.x25519PeriodSeconds && given.x25519PeriodSeconds <= given.kemPeriodSeconds);
  check(given.suites.some((suite) => suite === 1 || suite === 2));
  check(0 < given.uptimeSeconds && given.uptimeSeconds < given.awaySeconds && given.awaySeconds < given.dropSeconds);
  check(0 < given.freshSeconds && given.freshSeconds < given.validSeconds);
  check(0 < given.viewMinIntervalMs && given.viewMinIntervalMs <= 1000 * given.freshSeconds);
}

/** Authorities that must have signed a view, of `count`. */
export function threshold(count: number): number {
  return Math.floor((2 * count) / 3) + 1;
}
