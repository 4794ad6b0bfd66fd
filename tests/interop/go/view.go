package essaim

// The signed list of nodes: verified, kept, asked who is where (view.md).

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

// View is verified. Its maps go by node id.
type View struct {
	Hash    []byte
	Header  *viewv1.Header
	Nodes   map[string]*Node
	signed  *viewv1.SignedHeader
	entries map[string][][]byte
}

// onionKeys whose periods cover the time; nil: the node cannot be used.
func (view *View) onionKeys(node *Node, nowMs uint64) *Hop {
	parameters := view.Header.Parameters
	classic, one := node.x25519[nowMs/1000/uint64(parameters.X25519PeriodSeconds)]
	lattice, other := node.kem[nowMs/1000/uint64(parameters.KemPeriodSeconds)]
	if !one || !other {
		return nil
	}
	return &Hop{node.NodeStatus.NodeId, classic, lattice}
}

// relays that paths are made of.
func (view *View) relays(nowMs uint64) []*Node {
	return slices.DeleteFunc(slices.Collect(maps.Values(view.Nodes)), func(node *Node) bool {
		return node.Role != viewv1.Role_ROLE_RELAY || node.State != viewv1.NodeState_NODE_STATE_ACTIVE ||
			view.onionKeys(node, nowMs) == nil
	})
}

// encoded as a node would answer it: for the disk.
func (view *View) encoded() []byte {
	whole := &viewv1.WholeView{Header: view.signed}
	for _, pieces := range view.entries {
		whole.Nodes = append(whole.Nodes, &viewv1.NodeEntry{Pieces: pieces})
	}
	made, err := proto.Marshal(&viewv1.ViewAnswer{Answer: &viewv1.ViewAnswer_Whole{Whole: whole}})
	if err != nil {
		panic(err) // nothing in it can be wrong
	}
	return made
}

// ViewKeeper keeps the newest view that it accepted, and refuses in the order of view.md, "What to refuse".
type ViewKeeper struct {
	Genesis *Genesis
	Held    *View
}

// Accept takes a serialised ViewAnswer.
func (keeper *ViewKeeper) Accept(encoded []byte, nowMs uint64) error {
	var answer viewv1.ViewAnswer
	if proto.Unmarshal(encoded, &answer) != nil || answer.Answer == nil {
		return refuse("MALFORMED")
	}
	next := cmp.Or(answer.GetWhole().GetHeader(), answer.GetDiff().GetLatest())
	if answer.GetUnchanged() != nil && keeper.Held != nil {
		next = keeper.Held.signed
	}
	if next == nil {
		return refuse("MALFORMED")
	}
	header, err := checkHeader(next, keeper.Genesis)
	if err != nil {
		return err
	}
	view, err := keeper.sameAsHeld(header, headerHash(next.Header))
	if err == nil && view == nil {
		view, err = keeper.successor(next, header, &answer)
	}
	if err := firstOf(err, unless(nowMs < header.ValidUntilMs, "EXPIRED")); err != nil {
		return err
	}
	keeper.Held = view
	return nil
}

func (keeper *ViewKeeper) sameAsHeld(header *viewv1.Header, hash []byte) (*View, error) {
	if keeper.Held == nil {
		return nil, nil
	}
	later := order(header, keeper.Held.Header)
	if later == 0 && bytes.Equal(hash, keeper.Held.Hash) {
		return keeper.Held, nil
	}
	return nil, firstOf(unless(later >= 0, "ROLLBACK"), unless(later > 0, "FORK"))
}

func (keeper *ViewKeeper) successor(
	next *viewv1.SignedHeader, header *viewv1.Header, answer *viewv1.ViewAnswer,
) (*View, error) {
	if err := keeper.checkChain(header, answer.GetDiff()); err != nil {
		return nil, err
	}
	entries, err := entriesOf(answer.GetWhole())
	if answer.GetDiff() != nil {
		entries, err = applyDiff(keeper.Held.entries, answer.GetDiff())
	}
	if err != nil {
		return nil, err
	}
	hashes, nodes := [][]byte{}, map[string]*Node{}
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		hashes = append(hashes, entryHash(entries[id]))
		if nodes[id], err = readEntry(entries[id], header.NetworkId); err != nil {
			return nil, err
		}
	}
	if !bytes.Equal(labelled("essaim/view-root/v1", hashes...), header.NodesRoot) {
		return nil, refuse("MALFORMED")
	}
	for id, pieces := range entries {
		if err := checkSignatures(pieces, []byte(id)); err != nil {
			return nil, err
		}
	}
	return &View{headerHash(next.Header), header, nodes, next, entries}, nil
}

func (keeper *ViewKeeper) checkChain(header *viewv1.Header, diff *viewv1.ViewDiff) error {
	if keeper.Held == nil {
		return unless(diff == nil, "WRONG_CHAIN")
	}
	before, hash := keeper.Held.Header, keeper.Held.Hash
	for _, raw := range diff.GetHeaders() {
		between, err := readHeader(raw)
		if err := firstOf(err, checkStep(between, before, hash)); err != nil {
			return err
		}
		before, hash = between, headerHash(raw)
	}
	if diff == nil && !isNext(header, before) {
		return nil // a whole view that is further ahead: the signatures alone vouch for it
	}
	return checkStep(header, before, hash)
}
