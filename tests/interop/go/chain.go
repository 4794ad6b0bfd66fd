package essaim

// Chains of message keys, and the keys of messages that have not come yet (end-to-end.md, 4).

import (
	"bytes"
	"slices"
)

const (
	mostSkipped = 1000
	mostKept    = 2000
)

// Chain of message keys; Ciphertext and Previous are of sending chains alone: to the receiver's newest ML-KEM key, and
// the length of the chain before.
type Chain struct {
	HeaderKey, ChainKey []byte
	Next                uint32
	Ciphertext          []byte
	Previous            uint32
}

// SkippedKey is of a message that has not come yet.
type SkippedKey struct {
	HeaderKey  []byte
	Number     uint32
	MessageKey []byte
}

func (ratchet *Ratchet) messageKey(headerKey []byte, number uint32) ([]byte, error) {
	chain := &ratchet.Receiving
	if bytes.Equal(chain.HeaderKey, headerKey) && number >= chain.Next {
		if number-chain.Next > mostSkipped {
			return nil, refuse("TOO_MANY_SKIPPED")
		}
		ratchet.skip(number)
		return chain.step(), nil
	}
	at := slices.IndexFunc(ratchet.Skipped, func(each SkippedKey) bool {
		return each.Number == number && bytes.Equal(each.HeaderKey, headerKey)
	})
	if at < 0 {
		return nil, refuse("DUPLICATE")
	}
	kept := ratchet.Skipped[at].MessageKey
	ratchet.Skipped = slices.Delete(ratchet.Skipped, at, at+1)
	return kept, nil
}

// skip keeps the keys of what is missing of the receiving chain, up to a number.
func (ratchet *Ratchet) skip(until uint32) {
	for chain := &ratchet.Receiving; chain.Next < until; {
		number := chain.Next
		ratchet.Skipped = append(ratchet.Skipped, SkippedKey{chain.HeaderKey, number, chain.step()})
	}
	ratchet.Skipped = ratchet.Skipped[max(0, len(ratchet.Skipped)-mostKept):]
}

// step is KDF_CK: the message key of the next number.
func (chain *Chain) step() []byte {
	messageKey := mac(chain.ChainKey, []byte{1})
	chain.ChainKey = mac(chain.ChainKey, []byte{2})
	chain.Next++
	return messageKey
}

func tagOf(headerKey, number []byte) []byte {
	return mac(mac(headerKey, []byte("essaim/tag/v1")), number)[:8]
}
