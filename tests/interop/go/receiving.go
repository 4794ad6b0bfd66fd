package essaim

// What waits in the inbox, and what arrives (client.md, 5).

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	storagev1 "essaim.example/gen/essaim/storage/v1"
)

const (
	// streamTime after which a path is left.
	streamTime = 8 * time.Minute
	pause      = time.Second
)

// Message is a text.
type Message struct {
	From string `json:"from"`
	Text string `json:"text"`
}

// Receive what waits.
func (client *Client) Receive(ctx context.Context, show func(Message)) error {
	envelopes, err := client.Network.read(ctx, client.inbox, client.Device.slot())
	if err != nil {
		return err
	}
	return client.deal(ctx, envelopes, show)
}

// Listen for what waits, then for what arrives, until the context ends: a quorum read, then a stream of one member;
// after its end, or any failure, again. Ready says that what comes from now on comes live.
func (client *Client) Listen(ctx context.Context, ready func(), show func(Message)) error {
	for ctx.Err() == nil {
		err := client.Receive(ctx, show)
		if err == nil {
			err = client.stream(ctx, ready, show)
		}
		var refused *Refused
		if errors.As(err, &refused) && ctx.Err() == nil {
			time.Sleep(pause)
			client.Network.Refresh(ctx) // where nobody is there: later again
		} else if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (client *Client) stream(ctx context.Context, ready func(), show func(Message)) error {
	until, cancel := context.WithTimeout(ctx, streamTime)
	defer cancel()
	members := client.Network.members(client.inbox)
	if len(members) == 0 {
		return refuse("NO_SWARM")
	}
	slot := client.Device.slot()
	request, page := client.inbox.subscribe(slot, client.Network.clock.NowMs()), &storagev1.SubscribeResponse{}
	return client.Network.follow(until, members[0], "Subscribe", request, page, func() error {
		envelopes, err := client.Network.whole(ctx, client.inbox, members[0], slot, page.Envelopes)
		if err == nil {
			err = client.deal(ctx, envelopes, show)
		}
		if err == nil {
			ready()
		}
		return err
	})
}

// deal opens, saves, then confirms; what does not open is confirmed too.
func (client *Client) deal(ctx context.Context, envelopes []*storagev1.StoredEnvelope, show func(Message)) error {
	var messages []Message
	var ids [][]byte
	for _, each := range envelopes {
		ids = append(ids, each.EnvelopeId)
		if slices.ContainsFunc(client.Store.Dealt, func(id []byte) bool { return bytes.Equal(id, each.EnvelopeId) }) {
			continue
		}
		client.Store.Dealt = append(client.Store.Dealt, each.EnvelopeId)
		from, content := client.Device.open(each.Data)
		if content == nil {
			continue
		}
		if text, is := client.conversation(from.Identity).readText(content); is {
			messages = append(messages, Message{WriteAccountID(from.Identity), text})
		}
	}
	if err := client.Store.save(); err != nil || len(ids) == 0 {
		return err
	}
	for _, each := range messages {
		show(each)
	}
	request := func(*Node, *storagev1.Puzzle) proto.Message {
		return client.inbox.confirm(client.Device.slot(), ids, client.Network.clock.NowMs())
	}
	reply := &storagev1.ConfirmResponse{}
	return client.Network.askMembers(ctx, client.inbox, question{method: "Confirm", request: request, reply: reply})
}
