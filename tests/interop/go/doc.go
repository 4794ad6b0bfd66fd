// Package essaim is a small Essaim client, written from protos/ and docs/protocol/ alone: an example for authors of
// clients, and a proof that the documents suffice. Every file names the page that it follows.
package essaim
