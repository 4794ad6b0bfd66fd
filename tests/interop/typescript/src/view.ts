/** The signed list of nodes: verified, kept, asked who is where (view.md). */

import { applyDiff, entriesOf, type ViewDiff } from "./diff.js";
import { ACTIVE, checkSignatures, entryHash, type Node, readEntry, RELAY } from "./entry.js";
import type { Genesis } from "./genesis.js";
import {
  checkHeader,
  checkStep,
  compare,
  type Header,
  headerHash,
  isNext,
  readHeader,
  type SignedHeader,
} from "./header.js";
import { decode, encode } from "./messages.js";
import { type Bytes, check, equal, H, unhex } from "./notation.js";
import { swarmOf } from "./swarm.js";

interface ViewAnswer {
  answer?: "whole" | "diff" | "unchanged";
  whole?: { header: SignedHeader | null; nodes: { pieces: Bytes[] }[] };
  diff?: ViewDiff;
}

export class View {
  readonly hash: Bytes;

  constructor(
    readonly signed: SignedHeader,
    readonly header: Header,
    readonly entries: Map<string, Bytes[]>,
    /** By node id in hexadecimal. */
    readonly nodes: Map<string, Node>,
  ) {
    this.hash = headerHash(signed.header);
  }

  /** X25519 and ML-KEM keys whose periods cover the time; none: the node cannot be used. */
  onionKeys(node: Node, nowMs: number): { x25519: Bytes; mlkem: Bytes } | undefined {
    const { x25519PeriodSeconds, kemPeriodSeconds } = this.header.parameters;
    const x25519 = node.x25519.get(Math.floor(nowMs / 1000 / x25519PeriodSeconds));
    const mlkem = node.mlkem.get(Math.floor(nowMs / 1000 / kemPeriodSeconds));
    return x25519 && mlkem && { x25519, mlkem };
  }

  relays(nowMs: number): Node[] {
    const relays = [...this.nodes.values()].filter(({ role, state }) => role === RELAY && state === ACTIVE);
    return relays.filter((node) => this.onionKeys(node, nowMs));
  }

  /** The nodes that keep a mailbox now. */
  swarm(mailboxId: Bytes): Node[] {
    return swarmOf([...this.nodes.values()], mailboxId);
  }

  /** For the disk: the view as a node would answer it. */
  encoded(): Bytes {
    const nodes = [...this.entries.values()].map((pieces) => ({ pieces }));
    return encode("essaim.view.v1.ViewAnswer", { whole: { header: this.signed, nodes } });
  }
}

/** Keeps the newest view that it accepted; refuses as view.md, "What to refuse", in its order. */
export class ViewKeeper {
  held: View | undefined;

  constructor(readonly genesis: Genesis) {}

  accept(encoded: Bytes, nowMs: number): View {
    const { answer, whole, diff } = decode<ViewAnswer>("essaim.view.v1.ViewAnswer", encoded);
    const next = answer === "whole" ? whole?.header : answer === "diff" ? diff?.latest : this.held?.signed;
    check(answer !== undefined && next !== undefined && next !== null);
    const header = checkHeader(next, this.genesis);
    const view = this.sameAsHeld(header, next) ?? this.successor(next, header, whole?.nodes ?? [], diff);
    check(nowMs < Number(header.validUntilMs), "EXPIRED");
    return (this.held = view);
  }

  private sameAsHeld(header: Header, { header: raw }: SignedHeader): View | undefined {
    if (!this.held) return undefined;
    const later = compare(header, this.held.header);
    const same = equal(headerHash(raw), this.held.hash);
    check(later >= 0, "ROLLBACK");
    check(later > 0 || same, "FORK");
    return same ? this.held : undefined;
  }

  private successor(next: SignedHeader, header: Header, nodes: { pieces: Bytes[] }[], diff?: ViewDiff): View {
    this.checkChain(header, diff);
    const entries = diff && this.held ? applyDiff(this.held.entries, diff) : entriesOf(nodes);
    const ordered = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
    const root = H("essaim/view-root/v1", ...ordered.map(([, pieces]) => entryHash(pieces)));
    check(equal(root, header.nodesRoot));
    const read = new Map(ordered.map(([id, pieces]) => [id, readEntry(pieces, header.networkId)]));
    for (const [id, pieces] of ordered) checkSignatures(pieces, unhex(id));
    return new View(next, header, entries, read);
  }

  private checkChain(header: Header, diff: ViewDiff | undefined): void {
    check(this.held !== undefined || !diff, "WRONG_CHAIN");
    if (!this.held) return;
    let { header: before, hash } = this.held;
    for (const raw of diff?.headers ?? []) {
      const between = readHeader(raw);
      checkStep(between, before, hash);
      [before, hash] = [between, headerHash(raw)];
    }
    if (diff || isNext(header, before)) checkStep(header, before, hash);
  }
}
