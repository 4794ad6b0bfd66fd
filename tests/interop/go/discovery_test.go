package essaim

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

type discoveryVectors struct {
	Draw struct {
		Seed       octets
		Candidates []json.RawMessage
		Testers    []json.RawMessage
	}
}

type candidate struct {
	id    octets
	tests bool
	swarm *uint64
}

// tuple reads a JSON list whose elements have types of their own.
func tuple(t *testing.T, raw json.RawMessage, into ...any) {
	t.Helper()
	var parts []json.RawMessage
	must(t, json.Unmarshal(raw, &parts))
	for at := range into {
		must(t, json.Unmarshal(parts[at], into[at]))
	}
}

// drawn gives who tests a node: the next five that test, on the circle of its kind (node-tests.md, "The draw").
func drawn(seed []byte, kind int, subject candidate, candidates []candidate) (testers []octets) {
	place := func(id []byte) []byte { return labelled("essaim/testers/v1", seed, u8(kind), id) }
	circle := slices.DeleteFunc(slices.Clone(candidates), func(each candidate) bool {
		return kind == 2 && (each.swarm == nil || *each.swarm != *subject.swarm)
	})
	slices.SortFunc(circle, func(one, other candidate) int { return bytes.Compare(place(one.id), place(other.id)) })
	at := slices.IndexFunc(circle, func(each candidate) bool { return bytes.Equal(each.id, subject.id) })
	for step := 1; step < len(circle) && len(testers) < 5; step++ {
		if next := circle[(at+step)%len(circle)]; next.tests {
			testers = append(testers, next.id)
		}
	}
	return testers
}

func TestWhoTestsWhom(t *testing.T) {
	draw := load[discoveryVectors](t, "discovery").Draw
	var candidates []candidate
	for _, raw := range draw.Candidates {
		var each candidate
		tuple(t, raw, &each.id, &each.tests, &each.swarm)
		candidates = append(candidates, each)
	}
	for _, raw := range draw.Testers {
		var kind int
		var id octets
		var wanted []octets
		tuple(t, raw, &kind, &id, &wanted)
		at := slices.IndexFunc(candidates, func(each candidate) bool { return bytes.Equal(each.id, id) })
		got := drawn(draw.Seed, kind, candidates[at], candidates)
		if len(got) != len(wanted) {
			t.Fatalf("%d testers of %x", len(got), id)
		}
		for at := range wanted {
			equal(t, "tester", got[at], wanted[at])
		}
	}
}
