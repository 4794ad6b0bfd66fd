package essaim

// Another path where one has failed, for the fault of whom (client.md, 4).

import (
	"context"
	"errors"
	"slices"
	"time"
)

const attempts = 8

func (network *Network) path(node *Node, avoided map[string]bool) ([]*Node, error) {
	path, err := drawPath(network.View(), network.Guards, node, avoided, network.clock.NowMs())
	if err != nil && len(avoided) > 0 {
		clear(avoided) // a small network: better the same relay again than none
		return network.path(node, avoided)
	}
	return path, err
}

// learn decides whose fault it was (client.md, 4), and gives back what no other path mends.
func (network *Network) learn(ctx context.Context, err error, path []*Node, avoided map[string]bool, attempt int) error {
	var refused *Refused
	if !errors.As(err, &refused) || attempt >= attempts || ctx.Err() != nil {
		return err
	}
	stale := slices.Contains([]string{"KEY_UNKNOWN", "NOT_LISTED", "STALE"}, refused.Reason)
	switch {
	case refused.Hop == destination && refused.Reason == "BAD_REPLY":
		avoided[path[1].id()], avoided[path[2].id()] = true, true
	case refused.Hop == destination && !stale:
		return err // the destination's own answer
	case refused.Hop == len(path)-2 && !stale:
		return err // the destination is at fault: another member
	case refused.Hop != destination && refused.Hop < len(path)-2:
		avoided[path[refused.Hop+1].id()] = true
	}
	if stale {
		if err := network.Refresh(ctx); err != nil {
			return err
		}
	}
	time.Sleep(100 * time.Millisecond << attempt)
	return nil
}
