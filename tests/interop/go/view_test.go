package essaim

import (
	"slices"
	"testing"
)

type viewVectors struct {
	NowMs     uint64 `json:"now_ms"`
	Genesis   octets
	NetworkID octets `json:"network_id"`
	Threshold int
	First     viewVector
	Second    viewVector
	Later     struct {
		viewVector
		Relays []octets
	}
	Diff      octets
	Entries   []struct{ Hash octets }
	Placement []struct {
		MailboxID octets `json:"mailbox_id"`
		Position  uint64
		SwarmID   uint64 `json:"swarm_id"`
	}
}

type viewVector struct {
	Answer     octets
	HeaderHash octets `json:"header_hash"`
}

func newKeeper(t *testing.T, vectors viewVectors) *ViewKeeper {
	t.Helper()
	genesis, err := readGenesis(vectors.Genesis)
	must(t, err)
	return &ViewKeeper{Genesis: genesis}
}

func TestGenesisHasItsNetworkIDAndThreshold(t *testing.T) {
	vectors := load[viewVectors](t, "view")
	genesis := newKeeper(t, vectors).Genesis
	equal(t, "network id", genesis.NetworkID, vectors.NetworkID)
	if threshold(len(genesis.Authorities)) != vectors.Threshold {
		t.Fatal("threshold")
	}
}

func TestViewsAndDiffComeToTheSameHash(t *testing.T) {
	vectors := load[viewVectors](t, "view")
	for _, answers := range [][]octets{
		{vectors.First.Answer}, {vectors.Second.Answer}, {vectors.First.Answer, vectors.Second.Answer},
		{vectors.First.Answer, vectors.Diff},
	} {
		keeper, wanted := newKeeper(t, vectors), vectors.Second.HeaderHash
		if len(answers) == 1 && slices.Equal(answers[0], vectors.First.Answer) {
			wanted = vectors.First.HeaderHash
		}
		for _, answer := range answers {
			must(t, keeper.Accept(answer, vectors.NowMs))
		}
		equal(t, "header hash", keeper.Held.Hash, wanted)
	}
}

func TestWhatALaterVersionAddsIsPassedOver(t *testing.T) {
	vectors := load[viewVectors](t, "view")
	keeper := newKeeper(t, vectors)
	must(t, keeper.Accept(vectors.Second.Answer, vectors.NowMs))
	must(t, keeper.Accept(vectors.Later.Answer, vectors.NowMs))
	equal(t, "header hash", keeper.Held.Hash, vectors.Later.HeaderHash)
	for _, node := range keeper.Held.relays(vectors.NowMs) {
		equal(t, "relay", node.Descriptor.NodeId, vectors.Later.Relays[0])
	}
	if len(keeper.Held.relays(vectors.NowMs)) != len(vectors.Later.Relays) {
		t.Fatal("relays")
	}
}

func TestOlderUnchainedAndExpiredViewsAreRefused(t *testing.T) {
	vectors := load[viewVectors](t, "view")
	keeper, later := newKeeper(t, vectors), vectors.NowMs+400*dayMs
	refusedWith(t, keeper.Accept(vectors.Diff, vectors.NowMs), "WRONG_CHAIN")
	refusedWith(t, keeper.Accept(vectors.Second.Answer, later), "EXPIRED")
	must(t, keeper.Accept(vectors.Second.Answer, 0))
	refusedWith(t, keeper.Accept(vectors.First.Answer, vectors.NowMs), "ROLLBACK")
	must(t, keeper.Accept(keeper.Held.encoded(), vectors.NowMs))
	refusedWith(t, keeper.Accept(keeper.Held.encoded(), later), "EXPIRED")
}

func TestAlteredBytesAreRefusedOrHarmless(t *testing.T) {
	vectors := load[viewVectors](t, "view")
	refusals := 0
	for at := 0; at < len(vectors.First.Answer); at += 97 {
		altered := slices.Clone(vectors.First.Answer)
		altered[at] ^= 1
		keeper := newKeeper(t, vectors)
		if keeper.Accept(altered, vectors.NowMs) != nil {
			refusals++
		} else {
			// One of four signatures that no longer verifies does no harm.
			equal(t, "header hash", keeper.Held.Hash, vectors.First.HeaderHash)
		}
	}
	if refusals < len(vectors.First.Answer)/97-7 {
		t.Fatalf("%d refusals", refusals)
	}
}

func TestEntriesAndPlacement(t *testing.T) {
	vectors := load[viewVectors](t, "view")
	keeper := newKeeper(t, vectors)
	must(t, keeper.Accept(vectors.Second.Answer, vectors.NowMs))
	hashes := map[string]bool{}
	for _, pieces := range keeper.Held.entries {
		hashes[string(entryHash(pieces))] = true
	}
	for _, each := range vectors.Entries {
		if !hashes[string(each.Hash)] {
			t.Fatalf("no entry %x", each.Hash)
		}
	}
	for _, each := range vectors.Placement {
		members := keeper.Held.swarm(each.MailboxID)
		if position(each.MailboxID) != each.Position || len(members) == 0 {
			t.Fatalf("mailbox %x", each.MailboxID)
		}
		for _, node := range members {
			if node.SwarmId != each.SwarmID {
				t.Fatalf("mailbox %x in swarm %d", each.MailboxID, node.SwarmId)
			}
		}
	}
}
