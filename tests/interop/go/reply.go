package essaim

// Replies of one request, in order: the relays' streams taken off, opened by the destination's key (onion.md, 6).

import (
	"encoding/binary"
	"slices"
	"strconv"
)

const (
	more      = 0
	last      = 1
	heartbeat = 2
)

var errorCodes = []string{
	"BAD_CELL", "REPLAY", "KEY_UNKNOWN", "STALE", "BUSY", "UNREACHABLE", "TIMEOUT", "BAD_REPLY", "NOT_LISTED",
}

type replies struct {
	keys  []*hopKeys
	size  int
	next  uint64
	ended bool
}

// open gives kind and payload. An error cell is a Refused that names the hop which made it: the hop after it failed.
func (replies *replies) open(received []byte) (int, []byte, error) {
	if replies.ended || len(received) != replies.size {
		return 0, nil, refuse("BAD_REPLY")
	}
	nonce := slices.Concat(u32(0), u64(replies.next))
	replies.next++
	cell, relays := received, replies.keys[:len(replies.keys)-1]
	for _, keys := range relays {
		cell = streamed(keys.reply, nonce, cell)
	}
	plain := unsealed(replies.keys[len(relays)].reply, nonce, cell, nil)
	if plain == nil {
		replies.ended = true
		return 0, nil, failure(relays, received, nonce)
	}
	kind := int(plain[0])
	replies.ended = kind == last
	payload, err := unpad(plain[1:])
	return kind, payload, firstOf(err, unless(kind <= heartbeat, "BAD_REPLY"))
}

func failure(relays []*hopKeys, cell, nonce []byte) error {
	for hop, keys := range relays {
		if plain := unsealed(keys.failure, nonce, cell, nil); plain != nil {
			code := int(plain[0])
			if code < 1 || code > len(errorCodes) {
				return refuse("BAD_REPLY")
			}
			time := strconv.FormatUint(binary.BigEndian.Uint64(plain[1:9]), 10)
			return &Refused{errorCodes[code-1], hop, map[string]string{"nodeTimeMs": time}}
		}
		cell = streamed(keys.reply, nonce, cell)
	}
	return refuse("BAD_REPLY")
}
