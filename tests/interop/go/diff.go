package essaim

// The entries of a whole view, and what changed since one that is held (view.md, "Answers").

import (
	"maps"

	"google.golang.org/protobuf/proto"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

// entriesOf a whole view, by node id; no node twice.
func entriesOf(whole *viewv1.WholeView) (map[string][][]byte, error) {
	made := map[string][][]byte{}
	for _, node := range whole.GetNodes() {
		id, err := nodeIDOf(node.Pieces)
		if _, twice := made[id]; err != nil || twice {
			return nil, refuse("MALFORMED")
		}
		made[id] = node.Pieces
	}
	return made, nil
}

func nodeIDOf(pieces [][]byte) (string, error) {
	var status viewv1.NodeStatus
	if len(pieces) == 0 || proto.Unmarshal(pieces[0], &status) != nil {
		return "", refuse("MALFORMED")
	}
	return string(status.NodeId), nil
}

func applyDiff(held map[string][][]byte, diff *viewv1.ViewDiff) (map[string][][]byte, error) {
	made, named := maps.Clone(held), map[string]bool{}
	for _, id := range diff.Removed {
		if _, there := made[string(id)]; !there || named[string(id)] {
			return nil, refuse("MALFORMED")
		}
		delete(made, string(id))
		named[string(id)] = true
	}
	for _, change := range diff.Changed {
		entry, err := changed(held[string(change.NodeId)], change.Pieces)
		if err != nil || named[string(change.NodeId)] {
			return nil, refuse("MALFORMED")
		}
		if id, err := nodeIDOf(entry); err != nil || id != string(change.NodeId) {
			return nil, refuse("MALFORMED")
		}
		named[string(change.NodeId)] = true
		made[string(change.NodeId)] = entry
	}
	return made, nil
}

func changed(before [][]byte, pieces []*viewv1.PieceChange) ([][]byte, error) {
	var entry [][]byte
	for _, each := range pieces {
		switch piece := each.Piece.(type) {
		case *viewv1.PieceChange_Added:
			entry = append(entry, piece.Added)
		case *viewv1.PieceChange_Kept:
			if uint64(piece.Kept) >= uint64(len(before)) {
				return nil, refuse("MALFORMED")
			}
			entry = append(entry, before[piece.Kept])
		default:
			return nil, refuse("MALFORMED")
		}
	}
	return entry, nil
}
