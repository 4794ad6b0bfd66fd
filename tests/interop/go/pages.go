package essaim

// Reading one member of a swarm (mailbox.md, 6).

import (
	"context"

	"google.golang.org/protobuf/proto"

	storagev1 "essaim.example/gen/essaim/storage/v1"
)

func (network *Network) pages(
	ctx context.Context, mailbox *Mailbox, node *Node, slot []byte,
) (found []*storagev1.StoredEnvelope, err error) {
	var cursor []byte
	for further := true; further; {
		page := &storagev1.RetrieveResponse{}
		request := func(*Node, *storagev1.Puzzle) proto.Message {
			return mailbox.retrieve(slot, cursor, network.clock.NowMs())
		}
		err := network.askMember(ctx, mailbox, node, question{method: "Retrieve", request: request, reply: page})
		if err := firstOf(err, unless(!page.Incomplete, "UNAVAILABLE")); err != nil {
			return nil, err
		}
		whole, err := network.whole(ctx, mailbox, node, slot, page.Envelopes)
		if err != nil {
			return nil, err
		}
		found, cursor, further = append(found, whole...), page.Cursor, page.More && len(page.Envelopes) > 0
	}
	return found, nil
}

// whole fetches the data of envelopes that came without it, for it did not fit, and leaves out what is not genuine.
func (network *Network) whole(
	ctx context.Context, mailbox *Mailbox, node *Node, slot []byte, told []*storagev1.StoredEnvelope,
) (found []*storagev1.StoredEnvelope, err error) {
	for _, each := range told {
		if len(each.Data) == 0 {
			request := mailbox.retrieve(slot, nil, network.clock.NowMs())
			request.EnvelopeIds = [][]byte{each.EnvelopeId}
			page, class := &storagev1.RetrieveResponse{}, 1
			if each.Size > 57344 {
				class = 2
			}
			if err := network.ask(ctx, node, "Retrieve", request, page, class); err != nil {
				return nil, err
			}
			if len(page.Envelopes) == 1 {
				each = page.Envelopes[0]
			}
		}
		if mailbox.isGenuine(slot, each) {
			found = append(found, each)
		}
	}
	return found, nil
}
