/** An account on a network: what it keeps, and what it leaves in its outbox (client.md, 1 and 7). */

import { Account } from "./account.js";
import { type Conversation, newConversation } from "./content.js";
import { Device, makeDevice } from "./device.js";
import { type Mailbox, outbox, publicInbox } from "./mailbox.js";
import { readManifest } from "./manifest.js";
import { Members } from "./members.js";
import { Network, type NetworkFile } from "./network.js";
import { type Bytes, hex, join, u } from "./notation.js";
import { Store } from "./store.js";

export const MINUTE_MS = 60_000;
export const DAY_MS = 1440 * MINUTE_MS;
const ONE_TIME_PREKEYS = 20;

export class Client {
  readonly account: Account;
  readonly network: Network;
  readonly members: Members;
  readonly device: Device;
  /** Read by the device's slot key, which the account's key names. */
  readonly inbox: Mailbox;

  constructor(readonly store: Store) {
    const { network, view, guards, seed, device } = store.state;
    this.account = new Account(seed);
    this.network = new Network(network, view);
    this.network.guards = guards;
    this.members = new Members(this.network);
    this.device = new Device(this.account, device);
    const inbox = publicInbox(this.account.identity);
    const signer = this.device.slotKey(inbox.id);
    const { timeMs } = readManifest(this.account.identity, device.manifest);
    const slotRecord = inbox.slotRecord(this.account.inboxKey, this.device.slot, signer.public, timeMs);
    this.inbox = publicInbox(this.account.identity, { signer, slotRecord });
  }

  static create(file: string, passphrase: string, network: NetworkFile, seed: Bytes): Client {
    const device = makeDevice(new Account(seed), Date.now());
    const rest = { guards: [], published: false, conversations: {}, pins: {}, outgoing: [], dealt: [] };
    return new Client(Store.create(file, passphrase, { network, seed, device, ...rest }));
  }

  /** The newest view, and what is still to be published. */
  async connect(): Promise<void> {
    await this.network.refresh();
    this.store.state.view = this.network.view.encoded();
    this.store.state.guards = this.network.guards;
    this.store.save();
    if (!this.store.state.published) await this.publish();
  }

  close(): void {
    this.network.close();
    this.store.close();
  }

  get slot(): Bytes {
    return u(1, this.device.slot);
  }

  conversation(identity: Bytes): Conversation {
    return (this.store.state.conversations[hex(identity)] ??= newConversation());
  }

  private async publish(): Promise<void> {
    const own = outbox(this.account.identity, { signer: this.account.outboxKey });
    const nowMs = this.network.clock.now();
    for (const [name, data] of Object.entries(this.device.entries())) {
      const entry = { slot: join(name), expiresMs: nowMs + 399 * DAY_MS, data, version: nowMs };
      await this.members.store(own, entry);
    }
    for (const node of this.members.of(own)) {
      const prekeys = this.device.newOneTimePrekeys(node.id, ONE_TIME_PREKEYS);
      this.store.save(); // private parts first
      const request = own.publishPrekeys(this.slot, node.id, nowMs, prekeys, this.network.clock.now());
      await this.members.onion.ask(node, "PublishPrekeys", request);
    }
    this.store.state.published = true;
    this.store.save();
  }
}
