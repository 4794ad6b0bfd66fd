/** What was seen of an account before: no older list of devices is believed (identity.md, 3). */

import type { Manifest } from "./manifest.js";
import { type Bytes, check, equal } from "./notation.js";

/** The newest manifest that was seen of an account. */
export interface Pin {
  version: string;
  hash: Bytes;
}

/** The next pin; an older list of devices, or another history, is refused. */
export function checkPin(pin: Pin | undefined, { version, hash, previous }: Manifest): Pin {
  if (pin) {
    const ahead = version - BigInt(pin.version);
    check(ahead >= 0n, "MANIFEST_ROLLBACK");
    const same = [hash, ...previous][Number(ahead)];
    check(ahead > 32n || (same !== undefined && equal(same, pin.hash)), "MANIFEST_FORK");
  }
  return { version: version.toString(), hash };
}
