package essaim

import (
	"encoding/binary"
	"testing"
)

type ratchetVectors struct {
	Session struct {
		AssociatedData   octets `json:"associated_data"`
		RootKey          octets `json:"root_key"`
		HeaderKey        octets `json:"header_key"`
		NextHeaderKey    octets `json:"next_header_key"`
		ResponderPrivate octets `json:"responder_private"`
	}
	Chains []struct {
		OwnPrivate    octets `json:"own_private"`
		PeerPublic    octets `json:"peer_public"`
		PeerKEMSeed   octets `json:"peer_kem_seed"`
		Ciphertext    octets
		RootKeyBefore octets `json:"root_key_before"`
		RootKey       octets `json:"root_key"`
		ChainKey      octets `json:"chain_key"`
		HeaderKey     octets `json:"header_key"`
		NextHeaderKey octets `json:"next_header_key"`
	}
	Messages []struct {
		Chain            int
		Number, Previous uint32
		Content          string
		Envelope         octets
	}
}

func TestChainsOfASessionStepAsFrozen(t *testing.T) {
	for _, chain := range load[ratchetVectors](t, "ratchet").Chains {
		shared, err := agree(chain.OwnPrivate, chain.PeerPublic)
		must(t, err)
		secret, err := decapsulate(chain.PeerKEMSeed, chain.Ciphertext)
		must(t, err)
		ratchet := &Ratchet{Root: chain.RootKeyBefore}
		chainKey, headerKey := ratchet.advance(append(shared, secret...))
		equal(t, "root key", ratchet.Root, chain.RootKey)
		equal(t, "chain key", chainKey, chain.ChainKey)
		equal(t, "next header key", headerKey, chain.NextHeaderKey)
	}
}

// TestMessagesOfEachChainOpen reads each chain from its keys: what came before it is the test's above.
func TestMessagesOfEachChainOpen(t *testing.T) {
	vectors := load[ratchetVectors](t, "ratchet")
	for _, message := range vectors.Messages {
		of := vectors.Chains[message.Chain]
		reader := &Ratchet{Transcript: vectors.Session.AssociatedData, Receiving: Chain{HeaderKey: of.HeaderKey, ChainKey: of.ChainKey}}
		reader.NextReceiving = make([]byte, 32)
		content, err := reader.decrypt(message.Envelope)
		must(t, err)
		equal(t, "content", content, []byte(message.Content))
		number, parts := u32(message.Number), fields(message.Envelope, 8, 12, wireHeaderSize-20)
		equal(t, "tag", parts[0], tagOf(of.HeaderKey, number))
		header := fields(unsealed(of.HeaderKey, parts[1], parts[2], parts[0]), 32, kemSize, 1088, 4, 4)
		if binary.BigEndian.Uint32(header[3]) != message.Previous {
			t.Fatalf("previous %x", header[3])
		}
	}
}

func TestResponderReadsTheFirstChainInAnyOrder(t *testing.T) {
	vectors := load[ratchetVectors](t, "ratchet")
	session, prekeys := vectors.Session, PrivatePair{vectors.Session.ResponderPrivate, vectors.Chains[0].PeerKEMSeed}
	bob := accept(&agreed{transcript: session.AssociatedData, root: session.RootKey, headerKey: session.HeaderKey,
		nextHeaderKey: session.NextHeaderKey}, prekeys)
	for _, at := range []int{0, 2, 1} {
		content, err := bob.decrypt(vectors.Messages[at].Envelope)
		must(t, err)
		equal(t, "content", content, []byte(vectors.Messages[at].Content))
	}
	if _, err := bob.decrypt(vectors.Messages[1].Envelope); err == nil {
		t.Fatal("opened twice")
	}
}
