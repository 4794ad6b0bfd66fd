package essaim

// One node of the view: the authorities' word on it, its own word, its onion keys (view.md, "Entries").

import (
	"bytes"
	"net/netip"
	"regexp"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

// Node is an entry of a verified view.
type Node struct {
	*viewv1.NodeStatus
	*viewv1.Descriptor
	// By period: public onion keys.
	x25519, kem map[uint64][]byte
}

func (node *Node) id() string { return string(node.NodeStatus.NodeId) }

func entryHash(pieces [][]byte) []byte {
	hashes := make([][]byte, len(pieces))
	for index, piece := range pieces {
		hashes[index] = labelled("essaim/view-piece/v1", piece)
	}
	return labelled("essaim/view-entry/v1", hashes...)
}

// readEntry checks the form; what is signed is checked when the form of all entries is right.
func readEntry(pieces [][]byte, networkID []byte) (*Node, error) {
	if len(pieces) < 2 || len(pieces) > 34 {
		return nil, refuse("MALFORMED")
	}
	status, err := readStatus(pieces[0])
	if err != nil {
		return nil, err
	}
	descriptor, err := readDescriptor(pieces[1])
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(descriptor.NetworkId, networkID) || !bytes.Equal(descriptor.NodeId, status.NodeId) {
		return nil, refuse("MALFORMED")
	}
	node := &Node{status, descriptor, map[uint64][]byte{}, map[uint64][]byte{}}
	for _, piece := range pieces[2:] {
		if err := node.addKeys(piece); err != nil {
			return nil, err
		}
	}
	return node, nil
}

func readStatus(piece []byte) (*viewv1.NodeStatus, error) {
	status := &viewv1.NodeStatus{}
	if proto.Unmarshal(piece, status) != nil || len(status.NodeId) != 32 || !isPublicKey(status.NodeId) {
		return nil, refuse("MALFORMED")
	}
	moves := !status.Moving || (status.HasSwarm || status.HasNextSwarm) && status.MoveSerial != 0
	return status, unless(status.State > 0 && moves, "MALFORMED")
}

func readDescriptor(piece []byte) (*viewv1.Descriptor, error) {
	var signed viewv1.SignedDescriptor
	said := &viewv1.Descriptor{}
	if proto.Unmarshal(piece, &signed) != nil || proto.Unmarshal(signed.Descriptor_, said) != nil {
		return nil, refuse("MALFORMED")
	}
	certificates := len(said.Certificates) == 1 || len(said.Certificates) == 2
	for _, each := range said.Certificates {
		certificates = certificates && len(each) >= 1 && len(each) <= 2048
	}
	lengths := len(signed.Descriptor_) <= 8192 && len(said.StartId) == 16 && (len(said.OperatorId) == 0 || len(said.OperatorId) == 32)
	words := utf8.RuneCountInString(said.Region) <= 32 && utf8.RuneCountInString(said.Version) <= 32
	return said, unless(said.Role > 0 && certificates && lengths && words && isAddress(said.Address), "MALFORMED")
}

var addressForm = regexp.MustCompile(`^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$`)

func isAddress(address string) bool {
	found := addressForm.FindStringSubmatch(address)
	if found == nil || len(address) > 64 {
		return false
	}
	port, _ := strconv.Atoi(found[3])
	ip, err := netip.ParseAddr(found[1] + found[2])
	return err == nil && ip.Is6() == (found[1] != "") && ip.Zone() == "" && port >= 1 && port <= 65535
}

func (node *Node) addKeys(piece []byte) error {
	var signed viewv1.SignedKeyRecord
	var record viewv1.KeyRecord
	if proto.Unmarshal(piece, &signed) != nil || proto.Unmarshal(signed.Record, &record) != nil {
		return refuse("MALFORMED")
	}
	owner := bytes.Equal(record.NodeId, node.Descriptor.NodeId) && bytes.Equal(record.StartId, node.StartId)
	if !owner || record.Kind <= 0 || len(signed.Record) > 40960 || len(record.Keys) < 1 || len(record.Keys) > 32 {
		return refuse("MALFORMED")
	}
	periods, size := node.x25519, 32
	if record.Kind == viewv1.KeyKind_KEY_KIND_KEM768 {
		periods, size = node.kem, 1184
	} else if record.Kind != viewv1.KeyKind_KEY_KIND_X25519 {
		return nil // of a later version
	}
	for index, key := range record.Keys {
		period := record.FirstPeriod + uint64(index)
		if _, twice := periods[period]; twice || len(key) != size {
			return refuse("MALFORMED")
		}
		periods[period] = key
	}
	return nil
}

// checkSignatures of a node's own pieces.
func checkSignatures(pieces [][]byte, nodeID []byte) error {
	var descriptor viewv1.SignedDescriptor
	good := proto.Unmarshal(pieces[1], &descriptor) == nil &&
		signedBy(nodeID, descriptor.Signature, "essaim/descriptor/v1", descriptor.Descriptor_)
	for _, piece := range pieces[2:] {
		var record viewv1.SignedKeyRecord
		good = good && proto.Unmarshal(piece, &record) == nil &&
			signedBy(nodeID, record.Signature, "essaim/key-record/v1", record.Record)
	}
	return unless(good, "BAD_SIGNATURE")
}
