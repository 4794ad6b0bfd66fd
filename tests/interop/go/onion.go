package essaim

// Requests to a storage node through guard, middle and exit, by the guard's door (client.md, 4; link.md, 7 and 8).

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	onionv1 "essaim.example/gen/essaim/onion/v1"
	relayv1 "essaim.example/gen/essaim/relay/v1"
)

const mailboxService = "essaim.storage.v1.MailboxService"

// waits by the larger of the two classes.
var waits = [3]time.Duration{12 * time.Second, 24 * time.Second, 45 * time.Second}

type onionCall struct {
	cell    []byte
	replies *replies
	door    relayv1.RelayServiceClient
	wait    time.Duration
}

// ask makes one request and reads its one reply, over up to eight paths; the request id is the same on each.
func (network *Network) ask(
	ctx context.Context, node *Node, method string, request, reply proto.Message, replyClass int,
) error {
	payload, avoided := payloadOf(method, request), map[string]bool{}
	for attempt := 1; ; attempt++ {
		path, err := network.path(node, avoided)
		if err != nil {
			return err
		}
		if err = network.askOnce(ctx, path, payload, reply, replyClass); err == nil {
			return nil
		}
		if err = network.learn(ctx, err, path, avoided, attempt); err != nil {
			return err
		}
	}
}

func (network *Network) askOnce(ctx context.Context, path []*Node, payload []byte, reply proto.Message, class int) error {
	call, err := network.wrapped(path, payload, class)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, call.wait)
	defer cancel()
	answer, err := call.door.Send(ctx, &relayv1.SendRequest{Cell: call.cell})
	if err != nil {
		return directly(err)
	}
	kind, got, err := call.replies.open(answer.Cell)
	if err := firstOf(err, unless(kind == last, "BAD_REPLY")); err != nil {
		return err
	}
	return outcome(got, reply)
}

// follow hands on the answers of a streaming method as they come, over one path.
func (network *Network) follow(
	ctx context.Context, node *Node, method string, request, reply proto.Message, handle func() error,
) error {
	path, err := network.path(node, nil)
	if err != nil {
		return err
	}
	call, err := network.wrapped(path, payloadOf(method, request), 0)
	if err != nil {
		return err
	}
	stream, err := call.door.Open(ctx, &relayv1.OpenRequest{Cell: call.cell})
	for err == nil {
		var message *relayv1.OpenResponse
		if message, err = stream.Recv(); err != nil {
			break
		}
		kind, got, err := call.replies.open(message.Cell)
		if err == nil && (kind == more || kind == last && len(got) > 0) {
			err = outcome(got, reply)
			if err == nil {
				err = handle()
			}
		}
		if err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return nil
	}
	return directly(err)
}

func payloadOf(method string, request proto.Message) []byte {
	body, err := proto.Marshal(request)
	if err != nil {
		panic(err) // the request is ours
	}
	made, err := proto.Marshal(&onionv1.Request{Service: mailboxService, Method: method, RequestId: random(16), Body: body})
	if err != nil {
		panic(err) // so is this
	}
	return made
}

func (network *Network) wrapped(path []*Node, payload []byte, replyClass int) (*onionCall, error) {
	now, suites := network.clock.NowMs(), network.View().Header.Parameters.Suites
	suite := int(suites[slices.IndexFunc(suites, func(each uint32) bool { return each == 1 || each == 2 })])
	class := slices.IndexFunc([]int{0, 1, 2}, func(each int) bool { return len(payload) <= room(suite, each) })
	if class < 0 {
		return nil, refuse("TOO_LONG")
	}
	hops := make([]*Hop, len(path))
	for index, node := range path {
		if hops[index] = network.View().onionKeys(node, now); hops[index] == nil {
			return nil, refuse("KEY_UNKNOWN")
		}
	}
	cell, keys, err := wrap(hops, payload, cellSpec{suite, class, replyClass}, uint32(now/60_000), random)
	if err != nil {
		return nil, err
	}
	connection, err := network.connections.to(Peer{path[0].Address, path[0].Certificates})
	door, opener := relayv1.NewRelayServiceClient(connection), &replies{keys: keys, size: cellSizes[replyClass]}
	return &onionCall{cell, opener, door, waits[max(class, replyClass)]}, err
}

func outcome(payload []byte, reply proto.Message) error {
	var got onionv1.Reply
	if proto.Unmarshal(payload, &got) != nil {
		return refuse("MALFORMED")
	}
	if err := answered(got.GetError()); err != nil {
		return err
	}
	return unless(proto.Unmarshal(got.GetBody(), reply) == nil, "MALFORMED")
}
