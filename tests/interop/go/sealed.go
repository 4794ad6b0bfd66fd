package essaim

// Initial messages, which hide who begins (end-to-end.md, 1 and 3).

import (
	"encoding/binary"
	"slices"
)

// Initial is what the box of an initial message holds.
type initial struct {
	handshake    []byte
	manifestHash []byte // of the responder
	certificate  []byte
	message      []byte
}

// overhead of an envelope that is not the ratchet message.
func overhead(certificate []byte) int {
	return 8 + 32 + 1088 + 16 + 1 + handshakeSize + 32 + 2 + len(certificate)
}

func sealInitial(to *SignedPrekeys, inner initial) ([]byte, error) {
	tag, ephemeral := random(8), random(32)
	shown := publicX25519(ephemeral)
	classic, err := agree(ephemeral, to.X25519)
	if err != nil {
		return nil, err
	}
	ciphertext, secret, err := encapsulate(to.KEM)
	if err != nil {
		return nil, err
	}
	plain := slices.Concat(u8(1), inner.handshake, inner.manifestHash, u16(len(inner.certificate)), inner.certificate,
		inner.message)
	key := sealingKey(append(classic, secret...), shown, to.X25519, to.KEM, ciphertext)
	return slices.Concat(tag, shown, ciphertext, sealed(key, zeroNonce, plain, tag)), nil
}

// openInitial gives nil when it is not sealed for this pair.
func openInitial(envelope []byte, own PrivatePair) *initial {
	parts := fields(envelope, 8, 32, 1088)
	if parts == nil {
		return nil
	}
	shared, err := own.agree(parts[1], parts[2])
	if err != nil {
		return nil
	}
	classic, lattice := own.public()
	key := sealingKey(shared, parts[1], classic, lattice, parts[2])
	inner := fields(unsealed(key, zeroNonce, parts[3], parts[0]), 1, handshakeSize, 32, 2)
	if inner == nil || inner[0][0] != 1 {
		return nil
	}
	rest := fields(inner[4], int(binary.BigEndian.Uint16(inner[3])))
	if rest == nil {
		return nil
	}
	return &initial{inner[1], inner[2], rest[0], rest[1]}
}

func sealingKey(shared, ephemeral, prekey, kemPrekey, ciphertext []byte) []byte {
	info := labelled("essaim/sealed/v1", ephemeral, prekey, kemPrekey, ciphertext)
	return derive(shared, []byte("essaim/sealed/v1"), info, 32)
}
