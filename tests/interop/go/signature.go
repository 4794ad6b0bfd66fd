package essaim

// Ed25519 as the documents want it: prime-order points in canonical form, signatures over label || message.

import (
	"bytes"
	"crypto/ed25519"
	"slices"

	"filippo.io/edwards25519"
)

// Signer is a blinded or a plain key.
type Signer interface {
	Public() []byte
	Sign(message []byte) []byte
}

// PlainKey signs as RFC 8032 says.
type PlainKey struct{ private ed25519.PrivateKey }

func newPlainKey(seed []byte) PlainKey { return PlainKey{ed25519.NewKeyFromSeed(seed)} }

// Public is the key that verifies.
func (key PlainKey) Public() []byte { return key.private[32:] }

// Sign signs the message.
func (key PlainKey) Sign(message []byte) []byte { return ed25519.Sign(key.private, message) }

// isPublicKey: a canonical point of the prime-order subgroup, and not the neutral one.
func isPublicKey(key []byte) bool {
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil || !bytes.Equal(point.Bytes(), key) || point.Equal(edwards25519.NewIdentityPoint()) == 1 {
		return false
	}
	less, _ := new(edwards25519.Scalar).SetCanonicalBytes(slices.Concat(u8(1), make([]byte, 31)))
	less.Negate(less) // L - 1: (L - 1) P is -P where the order of P is L
	negative := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(less, point, edwards25519.NewScalar())
	return negative.Equal(new(edwards25519.Point).Negate(point)) == 1
}

func signedBy(key, signature []byte, label string, message ...[]byte) bool {
	text := slices.Concat([]byte(label), slices.Concat(message...))
	return len(key) == 32 && isPublicKey(key) && ed25519.Verify(key, text, signature)
}
