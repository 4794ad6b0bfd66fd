package essaim

// The corrected clock: the median of what three nodes say (client.md, 2).

import (
	"slices"
	"time"
)

const ownIsGoodMs = 60_000

// Clock is the own one, unless three nodes say that it is wrong.
type Clock struct {
	offsetMs    int64
	notBeforeMs uint64
}

// NowMs in unix milliseconds, never below the begin of the view that is held.
func (clock *Clock) NowMs() uint64 {
	return max(uint64(time.Now().UnixMilli()+clock.offsetMs), clock.notBeforeMs)
}

// correct by what each answer said, less the middle of the asking.
func (clock *Clock) correct(offsets []int64) {
	clock.offsetMs = 0
	if len(offsets) < 3 {
		return
	}
	slices.Sort(offsets)
	if median := offsets[(len(offsets)-1)/2]; max(median, -median) > ownIsGoodMs {
		clock.offsetMs = median
	}
}
