package essaim

// Guards that stay, and paths of three relays and a destination (client.md, 3).

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"net/netip"
	"slices"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

const dayMs = 86_400_000

// Guard is a relay of this client's sample: the first that the view lists is the first hop of every path.
type Guard struct {
	NodeID  []byte
	UntilMs uint64
}

// renewGuards fills the sample up, without those whose time is over.
func renewGuards(kept []Guard, view *View, nowMs uint64) []Guard {
	relays := view.relays(nowMs)
	size := min(20, max(3, len(relays)*6/10))
	guards := slices.DeleteFunc(slices.Clone(kept), func(guard Guard) bool { return guard.UntilMs <= nowMs })
	for _, node := range shuffled(relays) {
		id := node.NodeStatus.NodeId
		known := slices.ContainsFunc(guards, func(guard Guard) bool { return bytes.Equal(guard.NodeID, id) })
		if len(guards) < size && !known {
			guards = append(guards, Guard{id, nowMs + uint64(90+below(31))*dayMs})
		}
	}
	return guards
}

// drawPath gives four different nodes: guard, middle, exit, destination. Avoided are ids of relays.
func drawPath(view *View, guards []Guard, to *Node, avoided map[string]bool, nowMs uint64) ([]*Node, error) {
	relays := slices.DeleteFunc(view.relays(nowMs), func(node *Node) bool { return avoided[node.id()] })
	candidates := 0
	for _, guard := range guards {
		at := slices.IndexFunc(relays, func(node *Node) bool { return node.id() == string(guard.NodeID) })
		if at < 0 || candidates == 3 {
			continue
		}
		candidates++
		path := []*Node{to}
		for _, node := range append([]*Node{relays[at]}, shuffled(relays)...) {
			near := slices.ContainsFunc(path, func(other *Node) bool { return !apart(view, node, other) })
			if len(path) < 4 && !near {
				path = append(path, node)
			}
		}
		if len(path) == 4 && path[1] == relays[at] {
			return append(path[1:], to), nil
		}
	}
	return nil, refuse("NO_PATH")
}

// apart is what every client, and the signed view, asks of two nodes of one path.
func apart(view *View, one, other *Node) bool {
	rules := view.Header.Parameters
	return one.id() != other.id() && !(one.HasSwarm && other.HasSwarm && one.SwarmId == other.SwarmId) &&
		!(rules.DistinctOperators && bytes.Equal(one.OperatorId, other.OperatorId)) &&
		!(rules.DistinctPrefixes && prefix(one.Descriptor) == prefix(other.Descriptor)) &&
		!(rules.DistinctRegions && one.Region == other.Region)
}

// prefix is /16, in IPv6 /32.
func prefix(node *viewv1.Descriptor) netip.Prefix {
	address, err := netip.ParseAddrPort(node.Address)
	if err != nil {
		return netip.Prefix{}
	}
	bits := 16
	if address.Addr().Is6() {
		bits = 32
	}
	return netip.PrefixFrom(address.Addr(), bits).Masked()
}

func shuffled[Item any](items []Item) []Item {
	made := slices.Clone(items)
	for left := len(made); left > 1; left-- {
		at := below(left)
		made[at], made[left-1] = made[left-1], made[at]
	}
	return made
}

func below(limit int) int {
	drawn, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		panic(err) // the reader does not fail
	}
	return int(drawn.Int64())
}
