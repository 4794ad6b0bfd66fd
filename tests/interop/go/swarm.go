package essaim

// Which nodes keep a mailbox: a ring of 2^64 (view.md, "Swarms").

import (
	"cmp"
	"encoding/binary"
	"slices"
)

func position(mailboxID []byte) uint64 {
	return binary.BigEndian.Uint64(labelled("essaim/swarm/v1", mailboxID))
}

// swarm has the members of the one whose id is nearest, ties to the lower id.
func (view *View) swarm(mailboxID []byte) []*Node {
	at := position(mailboxID)
	var members []*Node
	for _, node := range view.Nodes {
		if !node.HasSwarm {
			continue
		}
		nearer := 0
		if len(members) > 0 {
			best := members[0].SwarmId
			nearer = cmp.Or(cmp.Compare(distance(node.SwarmId, at), distance(best, at)), cmp.Compare(node.SwarmId, best))
		}
		if nearer < 0 {
			members = nil
		}
		if nearer <= 0 {
			members = append(members, node)
		}
	}
	return slices.Clip(members)
}

func distance(a, b uint64) uint64 { return min(a-b, b-a) }

// quorum of r members.
func quorum(members int) int { return members/2 + 1 }
