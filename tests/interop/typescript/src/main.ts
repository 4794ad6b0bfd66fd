/**
 * node dist/main.js STORE create NETWORK_FILE    a new account: its id and its 24 words
 * node dist/main.js STORE show                   its id, the view, the one-time prekeys that are left
 * node dist/main.js STORE send ID TEXT
 * node dist/main.js STORE receive                what waits
 * node dist/main.js STORE listen                 what waits, then what arrives, until it is ended
 *
 * The store's passphrase is ESSAIM_PASSPHRASE of the environment. One JSON object a line; failures are one sentence.
 */

import { readFileSync } from "node:fs";

import { Client } from "./client.js";
import type { NetworkFile } from "./network.js";
import { check, hex, random, Refused } from "./notation.js";
import { writePhrase } from "./phrase.js";
import { listen, receive } from "./receiving.js";
import { flush, send } from "./sending.js";
import { Store } from "./store.js";

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function opened(store: string, command: string, rest: string[]): Client {
  const passphrase = process.env["ESSAIM_PASSPHRASE"] ?? "";
  check(passphrase.length > 0, "NO_PASSPHRASE");
  if (command !== "create") return new Client(Store.open(store, passphrase));
  check(rest[0] !== undefined, "USAGE");
  return Client.create(store, passphrase, JSON.parse(readFileSync(rest[0], "utf8")) as NetworkFile, random(32));
}

async function run(client: Client, command: string, rest: string[]): Promise<void> {
  const { account, network, store } = client;
  await client.connect();
  await flush(client);
  if (command === "create") print({ id: account.id, words: writePhrase(account.seed) });
  else if (command === "show") {
    const { hash, header, nodes } = network.view;
    const prekeys = store.state.device.oneTimePrekeys.length;
    print({ id: account.id, view: hex(hash), serial: Number(header.serial), nodes: nodes.size, prekeys });
  } else if (command === "send") {
    check(rest.length === 2, "USAGE");
    await send(client, rest[0] as string, rest[1] as string);
    print({ sent: true });
  } else if (command === "receive") (await receive(client)).forEach(print);
  else if (command === "listen") {
    const ending = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => ending.abort());
    let told = false;
    const ready = () => (told ||= (print({ listening: true }), true));
    for await (const message of listen(client, ending.signal, ready)) print(message);
  } else throw new Refused("USAGE");
}

async function main([store = "", command = "", ...rest]: string[]): Promise<number> {
  let client: Client | undefined;
  try {
    client = opened(store, command, rest);
    await run(client, command, rest);
    return 0;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    process.stderr.write(`essaim: ${error.reason}\n`);
    return 2;
  } finally {
    client?.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
