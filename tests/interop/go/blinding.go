package essaim

// Blinded keys: what an account is called in each of its mailboxes (identity.md, 2).

import (
	"crypto/sha512"
	"slices"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/blake2b"
)

func factor(label string, parts ...[]byte) *edwards25519.Scalar {
	hash := blake2b.Sum512(slices.Concat([]byte(label), slices.Concat(parts...)))
	return reduced(hash)
}

// reduced takes 64 little-endian bytes modulo L.
func reduced(bytes [64]byte) *edwards25519.Scalar {
	made, err := new(edwards25519.Scalar).SetUniformBytes(bytes[:])
	if err != nil {
		panic(err) // it has 64 bytes
	}
	return made
}

// blindedPublic is what everybody can compute from the public key.
func blindedPublic(identity []byte, label string, parts ...[]byte) ([]byte, error) {
	point, err := new(edwards25519.Point).SetBytes(identity)
	if err != nil {
		return nil, refuse("ACCOUNT_ID_REFUSED")
	}
	return point.ScalarMult(factor(label, parts...), point).Bytes(), nil
}

// BlindedKey verifies as plain Ed25519. It gives its base away: it never leaves the device.
type BlindedKey struct {
	scalar *edwards25519.Scalar
	prefix []byte
	public []byte
}

func newBlindedKey(seed []byte, label string, parts ...[]byte) BlindedKey {
	digest := sha512.Sum512(seed)
	base, err := new(edwards25519.Scalar).SetBytesWithClamping(digest[:32])
	if err != nil {
		panic(err) // it has 32 bytes
	}
	h := factor(label, parts...)
	scalar := new(edwards25519.Scalar).Multiply(h, base)
	prefix := labelled("essaim/blinding/v1", digest[32:], h.Bytes())
	return BlindedKey{scalar, prefix, new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()}
}

// Public is the key that verifies.
func (key BlindedKey) Public() []byte { return key.public }

// Sign signs as RFC 8032 does, with the blinded scalar and a prefix of its own.
func (key BlindedKey) Sign(message []byte) []byte {
	r := reduced(sha512.Sum512(slices.Concat(key.prefix, message)))
	point := new(edwards25519.Point).ScalarBaseMult(r).Bytes()
	k := reduced(sha512.Sum512(slices.Concat(point, key.public, message)))
	return slices.Concat(point, new(edwards25519.Scalar).MultiplyAdd(k, key.scalar, r).Bytes())
}
