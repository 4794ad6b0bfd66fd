package essaim

// Writing to an account: envelopes for its devices, stored until they are acknowledged (client.md, 6).

import (
	"bytes"
	"context"
	"unicode/utf8"

	storagev1 "essaim.example/gen/essaim/storage/v1"
)

// Send returns when a quorum has it.
func (client *Client) Send(ctx context.Context, id, text string) error {
	identity, err := ReadAccountID(id)
	own := bytes.Equal(identity, client.Account.Identity)
	if err := firstOf(err, unless(!own, "OWN_ACCOUNT"), unless(utf8.ValidString(text), "MALFORMED")); err != nil {
		return err
	}
	manifest, err := client.manifestOf(ctx, identity)
	if err != nil {
		return err
	}
	var sessions []*Session
	for _, peer := range manifest.devices {
		if peer.Flags&dormantFlag != 0 {
			continue
		}
		session, err := client.sessionFor(ctx, peer)
		if err != nil {
			return err
		}
		sessions = append(sessions, session)
	}
	now := client.Network.clock.NowMs()
	content := client.conversation(identity).writeText(client.Account.key("authorship"), identity, text, now)
	expires := (now + 14*dayMs - 10*minuteMs) / minuteMs * minuteMs
	for _, session := range sessions {
		data, err := client.Device.seal(session, content)
		if err != nil {
			return err
		}
		client.Store.Outgoing = append(client.Store.Outgoing, Outgoing{identity, session.Peer.Slot, expires, data})
	}
	if err := client.Store.save(); err != nil { // from here on these bytes, and no others, are stored
		return err
	}
	return client.flush(ctx)
}

// flush stores what was sealed and not yet acknowledged, also by an earlier run.
func (client *Client) flush(ctx context.Context) error {
	for len(client.Store.Outgoing) > 0 {
		next := client.Store.Outgoing[0]
		inbox, err := publicInbox(next.Identity)
		if err != nil {
			return err
		}
		envelope := &storagev1.NewEnvelope{Slot: u8(next.Slot), ExpiresMs: next.ExpiresMs, Data: next.Data}
		if err := client.Network.store(ctx, inbox, envelope); err != nil {
			return err
		}
		client.Store.Outgoing = client.Store.Outgoing[1:]
		if err := client.Store.save(); err != nil {
			return err
		}
	}
	return nil
}
