/** First contact, the clock, and the newest view, asked of seeds and guards directly (client.md, 1 and 2). */

import { Clock } from "./clock.js";
import { Connections, type Peer } from "./connection.js";
import { readGenesis } from "./genesis.js";
import { decode, encode } from "./messages.js";
import { type Bytes, check, join } from "./notation.js";
import { type Guard, renewGuards } from "./path.js";
import { type View, ViewKeeper } from "./view.js";

const GET_VIEW = "/essaim.view.v1.ViewService/GetView";
const PATIENCE_MS = 10_000;

/** What a user is given: whom to trust, and where to ask first. */
export interface NetworkFile {
  genesis: string;
  seeds: string[];
}

export class Network {
  readonly clock = new Clock();
  guards: Guard[] = [];
  readonly connections = new Connections();
  private readonly keeper: ViewKeeper;

  constructor(
    private readonly file: NetworkFile,
    held?: Bytes,
  ) {
    this.keeper = new ViewKeeper(readGenesis(new Uint8Array(Buffer.from(file.genesis, "base64"))));
    if (held) this.keeper.accept(held, 0); // an expired one still bars what is older
  }

  get view(): View {
    check(this.keeper.held !== undefined, "NO_VIEW");
    return this.keeper.held;
  }

  close(): void {
    this.connections.close();
  }

  /** Asks three guards and, where none answers, the seeds, for their clocks and for what is newer. */
  async refresh(): Promise<void> {
    const held = this.keeper.held;
    const listed = this.guards.flatMap(({ nodeId }) => held?.nodes.get(nodeId) ?? []).slice(0, 3);
    if (!(await this.askAll(listed))) {
      const certificates = this.keeper.genesis.discoveryCertificates;
      check(await this.askAll(this.file.seeds.map((address) => ({ address, certificates }))), "NO_VIEW");
    }
    this.clock.notBeforeMs = Number(this.view.header.validFromMs);
    check(this.clock.now() < Number(this.view.header.validUntilMs), "EXPIRED");
    this.guards = renewGuards(this.guards, this.view, this.clock.now());
  }

  /** Whether one of them answered with a view; its refusal, if that is all that came. */
  private async askAll(peers: Peer[]): Promise<boolean> {
    const { epoch, serial } = this.keeper.held?.header ?? { epoch: 0, serial: 0 };
    const asked = await Promise.allSettled(peers.map((peer) => this.getView(peer, epoch, serial)));
    const answers = asked.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    this.clock.correct(answers.map(({ offsetMs }) => offsetMs));
    const refusals = answers.flatMap(({ answer }) => {
      try {
        return this.keeper.accept(answer, this.clock.now()) && [];
      } catch (refused) {
        return [refused];
      }
    });
    if (answers.length > 0 && refusals.length === answers.length) throw refusals[0];
    return answers.length > 0;
  }

  private async getView(peer: Peer, epoch: string | number, serial: string | number) {
    const began = Date.now();
    const request = encode("essaim.view.v1.GetViewRequest", { epoch, serial });
    const stream = this.connections.stream(peer, GET_VIEW, request, AbortSignal.timeout(PATIENCE_MS));
    const chunks: { nodeTimeMs: string; chunk: Bytes; last: boolean }[] = [];
    let offsetMs = 0;
    for await (const message of stream) {
      chunks.push(decode("essaim.view.v1.GetViewResponse", message));
      if (chunks.length === 1) offsetMs = Number(chunks[0]?.nodeTimeMs) - (began + Date.now()) / 2;
    }
    check(chunks.at(-1)?.last === true, "UNREACHABLE");
    return { offsetMs, answer: join(...chunks.map(({ chunk }) => chunk)) };
  }
}
