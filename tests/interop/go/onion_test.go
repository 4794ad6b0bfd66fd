package essaim

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"testing"

	"golang.org/x/crypto/poly1305"
)

type onionVectors struct{ Cases []onionCase }

type onionCase struct {
	Name       string
	Suite      int
	CellClass  int `json:"cell_class"`
	ReplyClass int `json:"reply_class"`
	Minute     uint32
	Nodes      []onionNode
	Ephemerals []octets
	Tail       octets
	Payload    octets
	Header     octets
	Cell       string
	Entering   []octets `json:"entering_sha256"`
	Replies    []struct {
		Seq                       uint64
		Kind                      int
		Payload, Sealed, Received octets
	}
	Errors []struct {
		Hop      int
		Seq      uint64
		Code     int
		TimeMs   uint64 `json:"time_ms"`
		Received octets
	}
}

type onionNode struct {
	NodeID  octets `json:"node_id"`
	Private octets `json:"x25519_private"`
	Public  octets `json:"x25519_public"`
	Seed    octets `json:"mlkem_seed"`
	KeyID   octets `json:"key_id"`
}

func (of onionCase) path() (path []*Hop) {
	for _, node := range of.Nodes {
		path = append(path, &Hop{node.NodeID, node.Public, publicKEM(node.Seed)})
	}
	return path
}

// unwrapped is what a hop does (onion.md, 5): a client does not need it, a test does.
func (of onionCase) unwrapped(t *testing.T, cell []byte, index int) (keys *hopKeys, next, payload []byte) {
	t.Helper()
	node, hop := of.Nodes[index], of.path()[index]
	equal(t, "key id", hop.keyID(), node.KeyID)
	kem, slot, size, _ := geometry(of.Suite)
	parts := fields(cell, 8, kem, size, tagSize)
	shared, err := agree(node.Private, parts[1][:32])
	if of.Suite == hybridSuite {
		secret, failed := decapsulate(node.Seed, parts[1][32:])
		shared, err = append(shared, secret...), firstOf(err, failed)
	}
	must(t, err)
	keys = hop.schedule(of.Suite, parts[1], shared, parts[0])
	text := slices.Concat(parts[0], parts[1], parts[2], parts[4])
	if !poly1305.Verify((*[16]byte)(parts[3]), text, (*[32]byte)(keys.mac)) {
		t.Fatalf("the MAC of hop %d", index)
	}
	plain := streamed(keys.stream, zeroNonce, append(slices.Clone(parts[2]), make([]byte, slot)...))
	if plain[0] == deliverCommand {
		payload, err = unpad(unsealed(keys.payload, zeroNonce, parts[4], nil))
		must(t, err)
		return keys, nil, payload
	}
	return keys, slices.Concat(cell[:4], plain[40:44], plain[64:64+kem], plain[slot:slot+size], plain[64+kem:slot],
		streamed(keys.stream, bodyNonce, parts[4])), nil
}

// delivered follows a cell along its path.
func (of onionCase) delivered(t *testing.T, cell []byte) (keys []*hopKeys) {
	t.Helper()
	for index := range of.Nodes {
		if len(cell) != cellSizes[of.CellClass] {
			t.Fatalf("%d bytes", len(cell))
		}
		made, next, payload := of.unwrapped(t, cell, index)
		keys, cell = append(keys, made), next
		if index == len(of.Nodes)-1 {
			equal(t, "payload", payload, of.Payload)
		}
	}
	return keys
}

func (of onionCase) keys(t *testing.T) []*hopKeys {
	t.Helper()
	spec := cellSpec{of.Suite, of.CellClass, of.ReplyClass}
	if of.Suite == hybridSuite {
		cell, err := base64.StdEncoding.DecodeString(of.Cell)
		must(t, err)
		return of.delivered(t, cell)
	}
	drawn := replay(t, append(slices.Clone(of.Ephemerals), of.Tail)...)
	cell, keys, err := wrap(of.path(), of.Payload, spec, of.Minute, drawn)
	must(t, err)
	equal(t, "header", cell[:len(of.Header)], of.Header)
	sum := sha256.Sum256(cell)
	equal(t, "cell", sum[:], of.Entering[0])
	return keys
}

func TestCellsCrossTheirPath(t *testing.T) {
	for _, each := range load[onionVectors](t, "onion").Cases {
		each.keys(t)
		spec := cellSpec{each.Suite, each.CellClass, each.ReplyClass}
		cell, keys, err := wrap(each.path(), each.Payload, spec, each.Minute, random)
		must(t, err)
		for index, made := range each.delivered(t, cell) {
			equal(t, each.Name, made.reply, keys[index].reply)
		}
	}
}
