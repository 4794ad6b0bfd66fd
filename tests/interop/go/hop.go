package essaim

// What a sender shares with one hop of a path: KEM and key schedule (onion.md, 3.1 and 3.2).

import (
	"crypto/sha3"
	"slices"

	"golang.org/x/crypto/blake2b"
)

// Hop has a node's public onion keys of the time.
type Hop struct {
	NodeID, X25519, KEM []byte
}

type hopKeys struct {
	stream, mac, payload, reply, failure []byte
}

const (
	classicSuite = 1
	hybridSuite  = 2
)

func (hop *Hop) keyID() []byte {
	sum := blake2b.Sum256(slices.Concat(hop.X25519, hop.KEM))
	return sum[:4]
}

// encapsulate gives KEM ciphertext and shared secret.
func (hop *Hop) encapsulate(suite int, ephemeral []byte) (ciphertext, shared []byte, err error) {
	ciphertext = publicX25519(ephemeral)
	if shared, err = agree(ephemeral, hop.X25519); err != nil || suite == classicSuite {
		return ciphertext, shared, err
	}
	lattice, secret, err := encapsulate(hop.KEM)
	return slices.Concat(ciphertext, lattice), slices.Concat(shared, secret), err
}

func (hop *Hop) schedule(suite int, ciphertext, shared, prefix []byte) *hopKeys {
	lattice := hop.KEM
	if suite == classicSuite {
		lattice = nil
	}
	transcript := sha3.Sum256(slices.Concat(hop.X25519, lattice, ciphertext))
	made := derive(slices.Concat(shared, transcript[:]), []byte("essaim/onion/v1"), prefix, 176)
	parts := fields(made, 32, 32, 32, 32, 32)
	return &hopKeys{parts[0], parts[1], parts[2], parts[3], parts[4]}
}
