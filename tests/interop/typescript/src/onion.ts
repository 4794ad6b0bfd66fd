/** Requests to a storage node through guard, middle and exit, by the guard's door (client.md, 4; link.md, 7 and 8). */

import { type CellClass, room, SIZES, wrap } from "./cell.js";
import type { Node } from "./entry.js";
import type { Hop, Suite } from "./hop.js";
import { decode, encode, refusalOf, type StatusMessage } from "./messages.js";
import type { Network } from "./network.js";
import { type Bytes, check, hex, random, Refused } from "./notation.js";
import { drawPath } from "./path.js";
import { LAST, MORE, Replies } from "./reply.js";

const DOOR = "/essaim.relay.v1.RelayService/";
const MAILBOXES = "essaim.storage.v1.MailboxService";
const SECONDS = [12, 24, 45] as const;
const ATTEMPTS = 8;
const STALE_VIEW = ["KEY_UNKNOWN", "NOT_LISTED", "STALE"];

interface OnionReply {
  outcome?: "body" | "error";
  body?: Bytes;
  error?: StatusMessage;
}

export class Onion {
  constructor(private readonly network: Network) {}

  /** One request to a storage node and its one reply, over up to eight paths; the same request id on each. */
  async ask<Reply>(node: Node, method: string, request: object, replyClass: CellClass = 0): Promise<Reply> {
    const payload = this.payloadOf(method, request);
    const avoided = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      const path = this.path(node, avoided);
      try {
        const { cell, replies, guard, seconds } = this.wrapped(path, payload, replyClass);
        const sent = encode("essaim.relay.v1.SendRequest", { cell });
        const answer = await this.network.connections.unary(guard, `${DOOR}Send`, sent, seconds);
        const { kind, payload: got } = replies.open(
          decode<{ cell: Bytes }>("essaim.relay.v1.SendResponse", answer).cell,
        );
        check(kind === LAST, "BAD_REPLY");
        return outcome<Reply>(got, method);
      } catch (refused) {
        await this.learn(refused as Refused, path, avoided, attempt);
      }
    }
  }

  /** The answers of a streaming method, as they come, over one path. */
  async *follow<Reply>(node: Node, method: string, request: object, signal: AbortSignal): AsyncGenerator<Reply> {
    const { cell, replies, guard } = this.wrapped(this.path(node, new Set()), this.payloadOf(method, request), 0);
    const opening = encode("essaim.relay.v1.OpenRequest", { cell });
    const stream = this.network.connections.stream(guard, `${DOOR}Open`, opening, signal);
    for await (const message of stream) {
      const reply = decode<{ cell: Bytes }>("essaim.relay.v1.OpenResponse", message);
      const { kind, payload } = replies.open(reply.cell);
      if (kind === MORE || (kind === LAST && payload.length > 0)) yield outcome<Reply>(payload, method);
    }
  }

  private payloadOf(method: string, request: object): Bytes {
    const body = encode(`essaim.storage.v1.${method}Request`, request);
    return encode("essaim.onion.v1.Request", { service: MAILBOXES, method, requestId: random(16), body });
  }

  private path(node: Node, avoided: Set<string>): Node[] {
    try {
      return drawPath(this.network.view, this.network.guards, node, avoided, this.network.clock.now());
    } catch (refused) {
      if (avoided.size === 0) throw refused;
      avoided.clear(); // a small network: better the same relay again than none
      return this.path(node, avoided);
    }
  }

  private wrapped(path: Node[], payload: Bytes, replyClass: CellClass) {
    const nowMs = this.network.clock.now();
    const suite = this.network.view.header.parameters.suites.find((each) => each === 1 || each === 2) as Suite;
    const cellClass = ([0, 1, 2] as const).find((each) => payload.length <= room(suite, each));
    check(cellClass !== undefined, "TOO_LONG");
    const hops = path.map((node): Hop => {
      const keys = this.network.view.onionKeys(node, nowMs);
      check(keys !== undefined, "KEY_UNKNOWN");
      return { nodeId: node.id, ...keys };
    });
    const { cell, keys } = wrap(hops, payload, { suite, cellClass, replyClass }, Math.floor(nowMs / 60_000), random);
    const seconds = SECONDS[Math.max(cellClass, replyClass) as CellClass];
    return { cell, replies: new Replies(keys, SIZES[replyClass]), guard: path[0] as Node, seconds };
  }

  /** Client.md, 4: whose fault it was; throws what no other path mends. */
  private async learn(refused: Refused, path: Node[], avoided: Set<string>, attempt: number): Promise<void> {
    if (!(refused instanceof Refused) || attempt >= ATTEMPTS) throw refused;
    const { reason, hop } = refused;
    const stale = STALE_VIEW.includes(reason);
    const exit = path.length - 2;
    if (hop === undefined && reason === "BAD_REPLY") for (const { id } of path.slice(1, 3)) avoided.add(hex(id));
    else if (hop === undefined && !stale)
      throw refused; // the destination's own answer
    else if (hop === exit && !stale)
      throw refused; // the destination is at fault: another member
    else if (hop !== undefined && hop < exit) avoided.add(hex((path[hop + 1] as Node).id));
    if (stale) await this.network.refresh();
    await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
  }
}

function outcome<Reply>(payload: Bytes, method: string): Reply {
  const reply = decode<OnionReply>("essaim.onion.v1.Reply", payload);
  if (reply.error) throw refusalOf(reply.error);
  return decode<Reply>(`essaim.storage.v1.${method}Response`, reply.body ?? new Uint8Array());
}
