package essaim

import (
	"crypto/sha256"
	"slices"
	"testing"
)

func TestRepliesAndErrorCellsAreOpened(t *testing.T) {
	for _, each := range load[onionVectors](t, "onion").Cases {
		keys, size := each.keys(t), cellSizes[each.ReplyClass]
		opener := &replies{keys: keys, size: size}
		for _, reply := range each.Replies {
			nonce := slices.Concat(u32(0), u64(reply.Seq))
			padded, err := pad(reply.Payload, size-17)
			must(t, err)
			cell := sealed(keys[len(keys)-1].reply, nonce, append(u8(reply.Kind), padded...), nil)
			sum := sha256.Sum256(cell)
			equal(t, "sealed", sum[:], reply.Sealed)
			cell = relayed(keys[:len(keys)-1], nonce, cell)
			sum = sha256.Sum256(cell)
			equal(t, "received", sum[:], reply.Received)
			kind, payload, err := opener.open(cell)
			must(t, err, unless(kind == reply.Kind, "KIND"))
			equal(t, "payload", payload, reply.Payload)
		}
		for _, failed := range each.Errors {
			nonce := slices.Concat(u32(0), u64(failed.Seq))
			plain := slices.Concat(u8(failed.Code), u64(failed.TimeMs), make([]byte, size-16-9))
			cell := relayed(keys[:failed.Hop], nonce, sealed(keys[failed.Hop].failure, nonce, plain, nil))
			sum := sha256.Sum256(cell)
			equal(t, "received", sum[:], failed.Received)
			_, _, err := (&replies{keys: keys, size: size}).open(cell)
			refusedWith(t, err, "STALE")
			if refused := err.(*Refused); refused.Hop != failed.Hop {
				t.Fatalf("hop %d", refused.Hop)
			}
		}
	}
}

func relayed(relays []*hopKeys, nonce, cell []byte) []byte {
	for _, keys := range slices.Backward(relays) {
		cell = streamed(keys.reply, nonce, cell)
	}
	return cell
}
