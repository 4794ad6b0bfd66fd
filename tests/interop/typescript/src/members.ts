/** Requests to the swarm of a mailbox: another member when one cannot; r - W + 1 of them to read (client.md, 5). */

import type { CellClass } from "./cell.js";
import { ACTIVE, type Node } from "./entry.js";
import { isGenuine, type Mailbox, type NewEnvelope, type Page, type StoredEnvelope } from "./mailbox.js";
import { refusalOf, type StatusMessage } from "./messages.js";
import type { Network } from "./network.js";
import { type Bytes, check, hex, random, Refused } from "./notation.js";
import { Onion } from "./onion.js";
import { shuffled } from "./path.js";
import { solve, storeSubject } from "./puzzle.js";
import { quorum } from "./swarm.js";

const ROUNDS = 6;
const PASSING = ["UNAVAILABLE", "QUORUM_MISSING", "DISK_FULL", "BUSY", "UNREACHABLE", "TIMEOUT"];

/** The request to one member, made when it is asked; what a puzzle is about. */
export interface Question {
  method: string;
  request: (node: Node) => object;
  subject?: (node: Node) => Bytes;
}

/** Throws a refusal that is in the answer itself. */
export type Judge<Reply> = (reply: Reply) => void;

interface StoreResponse {
  results: { status: StatusMessage | null }[];
}

export class Members {
  readonly onion: Onion;

  constructor(private readonly network: Network) {
    this.onion = new Onion(network);
  }

  /** In the order to ask them: who is away or leaves last. */
  of(mailbox: Mailbox): Node[] {
    const members = shuffled(this.network.view.swarm(mailbox.id));
    return members.sort((one, other) => Number(one.state !== ACTIVE) - Number(other.state !== ACTIVE));
  }

  /** The answer of the first member that gives one. */
  async ask<Reply>(mailbox: Mailbox, question: Question, judge?: Judge<Reply>): Promise<Reply> {
    const refusals: Refused[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const node of this.of(mailbox)) {
        try {
          return await this.corrected<Reply>(mailbox, node, question, judge);
        } catch (refused) {
          if (!(refused instanceof Refused)) throw refused;
          if (!PASSING.includes(refused.reason)) refusals.push(refused);
          const same = refusals.filter(({ reason }) => reason === refused.reason).length;
          if (same >= this.enough(mailbox)) throw refused; // one member may lie, so many do not
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** round));
    }
    throw refusals.at(-1) ?? new Refused("UNREACHABLE");
  }

  async store(mailbox: Mailbox, envelope: NewEnvelope): Promise<void> {
    const request = () => mailbox.store(envelope, this.network.clock.now());
    const subject = () => storeSubject([mailbox.envelopeId(envelope)]);
    await this.ask<StoreResponse>(mailbox, { method: "Store", request, subject }, ({ results }) => {
      const status = results[0]?.status;
      if (status && status.code !== 0) throw refusalOf(status);
    });
  }

  /** What waits in a slot or entry, of r - W + 1 members, without repeats and without what a member made up. */
  async read(mailbox: Mailbox, slot: Bytes): Promise<StoredEnvelope[]> {
    const found = new Map<string, StoredEnvelope>();
    let answered = 0;
    for (const node of this.of(mailbox)) {
      if (answered >= this.enough(mailbox)) break;
      try {
        for (const each of await this.pages(mailbox, node, slot)) found.set(hex(each.envelopeId), each);
        answered++;
      } catch (refused) {
        if (!(refused instanceof Refused) || !PASSING.includes(refused.reason)) throw refused;
      }
    }
    check(answered >= this.enough(mailbox), "QUORUM_MISSING");
    return [...found.values()];
  }

  /** The data of an envelope that came without it, for it did not fit. */
  async whole(mailbox: Mailbox, node: Node, slot: Bytes, told: StoredEnvelope): Promise<StoredEnvelope> {
    if (told.data.length > 0) return told;
    const replyClass: CellClass = told.size <= 57344 ? 1 : 2;
    const request = mailbox.read("Retrieve", slot, this.network.clock.now(), { envelopeIds: [told.envelopeId] });
    const { envelopes } = await this.onion.ask<Page>(node, "Retrieve", request, replyClass);
    return envelopes[0] ?? told;
  }

  private async pages(mailbox: Mailbox, node: Node, slot: Bytes): Promise<StoredEnvelope[]> {
    const found: StoredEnvelope[] = [];
    let cursor: Bytes = random(0);
    for (let more = true; more;) {
      const request = () => mailbox.read("Retrieve", slot, this.network.clock.now(), { cursor });
      const page = await this.corrected<Page>(mailbox, node, { method: "Retrieve", request });
      check(!page.incomplete, "UNAVAILABLE");
      for (const told of page.envelopes) found.push(await this.whole(mailbox, node, slot, told));
      more = page.more && page.envelopes.length > 0;
      cursor = page.cursor;
    }
    return found.filter((each) => isGenuine(mailbox, slot, each));
  }

  /** Asks once, and once more after what the member wants corrected. */
  private async corrected<Reply>(
    mailbox: Mailbox,
    node: Node,
    question: Question,
    judge?: Judge<Reply>,
  ): Promise<Reply> {
    const { method, request, subject } = question;
    const once = async (puzzle: object) => {
      const reply = await this.onion.ask<Reply>(node, method, { ...request(node), ...puzzle });
      judge?.(reply);
      return reply;
    };
    try {
      return await once({});
    } catch (refused) {
      const { reason, details } = refused as Refused;
      if (reason === "PUZZLE_REQUIRED" && subject) {
        const [bits, nowMs] = [Number(details["puzzleBits"]), this.network.clock.now()];
        return await once({ puzzle: { solution: solve(mailbox.id, subject(node), bits, nowMs) } });
      }
      if (reason !== "CLOCK" && reason !== "WRONG_SWARM") throw refused;
      await this.network.refresh();
      return await once({});
    }
  }

  private enough(mailbox: Mailbox): number {
    const members = this.network.view.swarm(mailbox.id).length;
    return members - quorum(members) + 1;
  }
}
