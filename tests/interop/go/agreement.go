package essaim

// X25519 and ML-KEM-768 with keys as bytes.

import (
	"crypto/ecdh"
	"crypto/mlkem"
)

// PrivatePair is an X25519 private key and an ML-KEM-768 seed (d || z).
type PrivatePair struct {
	X25519 []byte
	KEM    []byte
}

func newPrivatePair() PrivatePair { return PrivatePair{random(32), random(mlkem.SeedSize)} }

// public parts of the pair.
func (pair PrivatePair) public() (classic, lattice []byte) {
	return publicX25519(pair.X25519), publicKEM(pair.KEM)
}

// agree joins the X25519 secret with the decapsulated one.
func (pair PrivatePair) agree(theirs, ciphertext []byte) ([]byte, error) {
	classic, err := agree(pair.X25519, theirs)
	if err != nil {
		return nil, err
	}
	secret, err := decapsulate(pair.KEM, ciphertext)
	return append(classic, secret...), err
}

func publicX25519(private []byte) []byte {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		panic(err) // it has 32 bytes
	}
	return key.PublicKey().Bytes()
}

// agree refuses an all-zero secret.
func agree(private, public []byte) ([]byte, error) {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, refuse("MALFORMED")
	}
	peer, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, refuse("MALFORMED")
	}
	shared, err := key.ECDH(peer)
	if err != nil {
		return nil, refuse("MALFORMED")
	}
	return shared, nil
}

func publicKEM(seed []byte) []byte {
	key, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		panic(err) // it has 64 bytes
	}
	return key.EncapsulationKey().Bytes()
}

func encapsulate(public []byte) (ciphertext, shared []byte, err error) {
	key, err := mlkem.NewEncapsulationKey768(public)
	if err != nil {
		return nil, nil, refuse("MALFORMED")
	}
	shared, ciphertext = key.Encapsulate()
	return ciphertext, shared, nil
}

func decapsulate(seed, ciphertext []byte) ([]byte, error) {
	key, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return nil, refuse("MALFORMED")
	}
	shared, err := key.Decapsulate(ciphertext)
	if err != nil {
		return nil, refuse("MALFORMED")
	}
	return shared, nil
}
