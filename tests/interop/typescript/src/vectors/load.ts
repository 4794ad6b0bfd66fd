/** tests/vectors of the repository. */

import { readFileSync } from "node:fs";

import { type Bytes, unhex } from "../notation.js";

export function load<Vectors>(name: string): Vectors {
  const file = new URL(`../../../../vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as Vectors;
}

/** Hands out what was drawn when a vector was made, and checks that as much is asked for. */
export function replay(...drawn: string[]): (size: number) => Bytes {
  return (size) => {
    const next = unhex(drawn.shift() ?? "");
    if (next.length !== size) throw new RangeError(`${size} bytes were drawn, not ${next.length}`);
    return next;
  };
}
