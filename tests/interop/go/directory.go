package essaim

// What others have in their outboxes: their devices, and keys to begin sessions with (client.md, 6).

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	storagev1 "essaim.example/gen/essaim/storage/v1"
)

func (client *Client) manifestOf(ctx context.Context, identity []byte) (*Manifest, error) {
	theirs, err := outbox(identity)
	if err != nil {
		return nil, err
	}
	entries, err := client.Network.read(ctx, theirs, []byte("manifest"))
	if err != nil {
		return nil, err
	}
	var newest *Manifest
	for _, entry := range entries {
		opened, err := openEntry(identity, "manifest", entry.Data)
		if err != nil {
			continue
		}
		if read, err := readManifest(identity, opened); err == nil && (newest == nil || read.version > newest.version) {
			newest = read
		}
	}
	if newest == nil {
		return nil, refuse("UNKNOWN_ACCOUNT")
	}
	name := hex.EncodeToString(identity)
	pin, err := client.Store.Pins[name].follow(newest)
	if err == nil {
		client.Store.Pins[name] = pin
	}
	return newest, err
}

func (client *Client) sessionFor(ctx context.Context, peer *PeerDevice) (*Session, error) {
	if known := client.Device.session(peer); known != nil {
		return known, nil
	}
	theirs, err := outbox(peer.Identity)
	if err != nil {
		return nil, err
	}
	name := "prekeys/" + strconv.Itoa(peer.Slot)
	entries, err := client.Network.read(ctx, theirs, []byte(name))
	if err := firstOf(err, unless(len(entries) > 0, "NO_PREKEYS")); err != nil {
		return nil, err
	}
	newest := slices.MaxFunc(entries, func(one, other *storagev1.StoredEnvelope) int {
		return cmp.Compare(one.Version, other.Version)
	})
	opened, err := openEntry(peer.Identity, name, newest.Data)
	if err != nil {
		return nil, err
	}
	signed, err := readSignedPrekeys(peer, opened)
	if err != nil {
		return nil, err
	}
	oneTime, err := client.claim(ctx, theirs, peer)
	if err != nil {
		return nil, err
	}
	return client.Device.start(&Bundle{peer, signed, oneTime})
}

// claim a one-time prekey, from any member; nil: the handshake goes without.
func (client *Client) claim(ctx context.Context, theirs *Mailbox, peer *PeerDevice) (*OneTimePrekey, error) {
	claimID, reply := random(16), &storagev1.ClaimPrekeyResponse{}
	var asked []byte
	request := func(node *Node, puzzle *storagev1.Puzzle) proto.Message {
		asked = node.NodeStatus.NodeId
		return &storagev1.ClaimPrekeyRequest{Mailbox: theirs.named(), Slot: u8(peer.Slot), ClaimId: claimID, Puzzle: puzzle}
	}
	subject := func(node *Node) []byte { return claimSubject(node.NodeStatus.NodeId, claimID) }
	err := client.Network.askMembers(ctx, theirs, question{"ClaimPrekey", request, reply, subject, nil})
	if err != nil || len(reply.Prekey) == 0 {
		return nil, err
	}
	return readOneTimePrekey(peer, asked, reply.Prekey)
}
