package essaim

// The part of a view that the authorities sign (view.md, "Header").

import (
	"bytes"
	"cmp"

	"google.golang.org/protobuf/proto"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

func headerHash(header []byte) []byte { return labelled("essaim/view-header/v1", header) }

func readHeader(raw []byte) (*viewv1.Header, error) {
	header := &viewv1.Header{}
	if proto.Unmarshal(raw, header) != nil || len(header.PreviousHash) != 32 || header.Epoch == 0 || header.Serial == 0 {
		return nil, refuse("MALFORMED")
	}
	times := header.ValidFromMs <= header.FreshUntilMs && header.FreshUntilMs <= header.ValidUntilMs
	first := header.Serial > 1 || bytes.Equal(header.PreviousHash, make([]byte, 32))
	return header, firstOf(unless(times && first, "MALFORMED"), checkParameters(header.Parameters))
}

// checkHeader: enough different authorities of this network signed exactly these bytes.
func checkHeader(signed *viewv1.SignedHeader, genesis *Genesis) (*viewv1.Header, error) {
	header, err := readHeader(signed.GetHeader())
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(header.NetworkId, genesis.NetworkID) {
		return nil, refuse("WRONG_NETWORK")
	}
	different := map[uint32]bool{}
	for _, each := range signed.Signatures {
		if int(each.Authority) < len(genesis.Authorities) &&
			signedBy(genesis.Authorities[each.Authority], each.Signature, "essaim/view-signature/v1", signed.Header) {
			different[each.Authority] = true
		}
	}
	return header, unless(len(different) >= threshold(len(genesis.Authorities)), "BELOW_THRESHOLD")
}

// order is below zero where the first is older.
func order(one, other *viewv1.Header) int {
	return cmp.Or(cmp.Compare(one.Epoch, other.Epoch), cmp.Compare(one.Serial, other.Serial))
}

func isNext(next, before *viewv1.Header) bool {
	return next.Epoch == before.Epoch && next.Serial == before.Serial+1
}

// checkStep: the next comes right behind a header, and names its hash.
func checkStep(next, before *viewv1.Header, hash []byte) error {
	return unless(isNext(next, before) && bytes.Equal(next.PreviousHash, hash), "WRONG_CHAIN")
}
