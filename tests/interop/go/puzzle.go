package essaim

// Work that a mailbox may ask for before an anonymous write (mailbox.md, 8).

import (
	"bytes"
	"math/bits"
	"slices"
)

// mostBits are some seconds; more is refused.
const mostBits = 24

func storeSubject(ids ...[]byte) []byte {
	return labelled("essaim/puzzle/store/v1", slices.SortedFunc(slices.Values(ids), bytes.Compare)...)
}

func claimSubject(nodeID, claimID []byte) []byte {
	return labelled("essaim/puzzle/claim/v1", nodeID, claimID)
}

func solve(mailboxID, subject []byte, difficulty int, nowMs uint64) ([]byte, error) {
	if difficulty > mostBits {
		return nil, refuse("PUZZLE_TOO_DEAR")
	}
	for counter := uint64(0); ; counter++ {
		solution := append(u32(uint32(nowMs/60_000)), u64(counter)...)
		if isSolved(mailboxID, subject, solution, difficulty) {
			return solution, nil
		}
	}
}

func isSolved(mailboxID, subject, solution []byte, difficulty int) bool {
	zeros := 0
	for _, each := range labelled("essaim/puzzle/v1", mailboxID, subject, solution) {
		zeros += bits.LeadingZeros8(each)
		if each != 0 {
			break
		}
	}
	return zeros >= difficulty
}
