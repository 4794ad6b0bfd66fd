package essaim

// Requests to the swarm of a mailbox: another member when one cannot; r - W + 1 of them to read (client.md, 5).

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	storagev1 "essaim.example/gen/essaim/storage/v1"
	viewv1 "essaim.example/gen/essaim/view/v1"
)

const rounds = 6

var passing = []string{"UNAVAILABLE", "QUORUM_MISSING", "DISK_FULL", "BUSY", "UNREACHABLE", "TIMEOUT"}

// question is made anew for each member, with a puzzle's solution or none; judge finds a refusal in the answer itself.
type question struct {
	method  string
	request func(node *Node, puzzle *storagev1.Puzzle) proto.Message
	reply   proto.Message
	subject func(node *Node) []byte
	judge   func() error
}

// members in the order to ask them: who is away or leaves last.
func (network *Network) members(mailbox *Mailbox) []*Node {
	return slices.SortedStableFunc(slices.Values(shuffled(network.View().swarm(mailbox.ID))), func(one, other *Node) int {
		rank := map[bool]int{true: 0, false: 1}
		const active = viewv1.NodeState_NODE_STATE_ACTIVE
		return rank[one.State == active] - rank[other.State == active]
	})
}

// enough members to read: r - W + 1.
func (network *Network) enough(mailbox *Mailbox) int {
	members := len(network.View().swarm(mailbox.ID))
	return members - quorum(members) + 1
}

// askMembers takes the answer of the first member that gives one.
func (network *Network) askMembers(ctx context.Context, mailbox *Mailbox, asked question) (err error) {
	said := map[string]int{}
	for round := range rounds {
		for _, node := range network.members(mailbox) {
			if err = network.askMember(ctx, mailbox, node, asked); err == nil {
				return nil
			}
			if !passes(err) {
				said[err.Error()]++
			}
			if said[err.Error()] >= network.enough(mailbox) || ctx.Err() != nil {
				return err // one member may lie, so many do not
			}
		}
		time.Sleep(250 * time.Millisecond << round)
	}
	return firstOf(err, refuse("UNREACHABLE"))
}

func passes(err error) bool {
	var refused *Refused
	return errors.As(err, &refused) && slices.Contains(passing, refused.Reason)
}

// askMember once, and once more after what it wants corrected.
func (network *Network) askMember(ctx context.Context, mailbox *Mailbox, node *Node, asked question) error {
	err := network.judged(ctx, node, asked, nil)
	var refused *Refused
	if !errors.As(err, &refused) {
		return err
	}
	switch {
	case refused.Reason == "PUZZLE_REQUIRED" && asked.subject != nil:
		difficulty, _ := strconv.Atoi(refused.Details["puzzleBits"])
		solution, err := solve(mailbox.ID, asked.subject(node), difficulty, network.clock.NowMs())
		if err != nil {
			return err
		}
		return network.judged(ctx, node, asked, &storagev1.Puzzle{Solution: solution})
	case refused.Reason == "CLOCK" || refused.Reason == "WRONG_SWARM":
		if err := network.Refresh(ctx); err != nil {
			return err
		}
		return network.judged(ctx, node, asked, nil)
	}
	return err
}

func (network *Network) judged(ctx context.Context, node *Node, asked question, puzzle *storagev1.Puzzle) error {
	err := network.ask(ctx, node, asked.method, asked.request(node, puzzle), asked.reply, 0)
	if err == nil && asked.judge != nil {
		err = asked.judge()
	}
	return err
}

func (network *Network) store(ctx context.Context, mailbox *Mailbox, envelope *storagev1.NewEnvelope) error {
	id := mailbox.envelopeID(envelope.Version, envelope.Slot, envelope.ExpiresMs, envelope.Data)
	reply := &storagev1.StoreResponse{}
	request := func(_ *Node, puzzle *storagev1.Puzzle) proto.Message {
		made := mailbox.store(envelope, network.clock.NowMs())
		made.Puzzle = puzzle
		return made
	}
	subject := func(*Node) []byte { return storeSubject(id) }
	judge := func() error {
		if len(reply.Results) != 1 {
			return refuse("MALFORMED")
		}
		return answered(reply.Results[0].Status)
	}
	return network.askMembers(ctx, mailbox, question{"Store", request, reply, subject, judge})
}

// read what waits in a slot or entry, without repeats and without what a member made up.
func (network *Network) read(ctx context.Context, mailbox *Mailbox, slot []byte) ([]*storagev1.StoredEnvelope, error) {
	var found []*storagev1.StoredEnvelope
	seen, answered := map[string]bool{}, 0
	for _, node := range network.members(mailbox) {
		if answered == network.enough(mailbox) {
			break
		}
		pages, err := network.pages(ctx, mailbox, node, slot)
		if passes(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		for _, each := range pages {
			if !seen[string(each.EnvelopeId)] {
				found = append(found, each)
			}
			seen[string(each.EnvelopeId)] = true
		}
		answered++
	}
	return found, unless(answered == network.enough(mailbox), "QUORUM_MISSING")
}
