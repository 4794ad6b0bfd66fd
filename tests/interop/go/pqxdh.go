package essaim

// The handshake between two devices: PQXDH (end-to-end.md, 2).

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// agreed is what both sides come to. The transcript is the session's associated data.
type agreed struct {
	transcript, root, headerKey, nextHeaderKey []byte
}

// handshakeSize: signed prekey id u32 | one-time prekey id u32 | EK 32 | ML-KEM ciphertext 1088.
const handshakeSize = 1128

type handshake struct {
	signedID, oneTimeID   uint32
	ephemeral, ciphertext []byte
}

func readHandshake(data []byte) handshake {
	parts := fields(data, 4, 4, 32, 1088)
	return handshake{binary.BigEndian.Uint32(parts[0]), binary.BigEndian.Uint32(parts[1]), parts[2], parts[3]}
}

func (shown handshake) bytes() []byte {
	return slices.Concat(u32(shown.signedID), u32(shown.oneTimeID), shown.ephemeral, shown.ciphertext)
}

// Bundle is whom one writes to: a device, and what it left behind. OneTime may be nil.
type Bundle struct {
	Device  *PeerDevice
	Signed  *SignedPrekeys
	OneTime *OneTimePrekey
}

func initiate(own *PeerDevice, agreement []byte, peer *Bundle) (handshake, *agreed, error) {
	ephemeral := random(32)
	ciphertext, secret, err := encapsulate(peer.Signed.KEM)
	shown := handshake{peer.Signed.ID, 0, publicX25519(ephemeral), ciphertext}
	pairs := [][2][]byte{{agreement, peer.Signed.X25519}, {ephemeral, peer.Device.Agreement}, {ephemeral, peer.Signed.X25519}}
	if peer.OneTime != nil {
		shown.oneTimeID = peer.OneTime.ID
		pairs = append(pairs, [2][]byte{ephemeral, peer.OneTime.X25519})
	}
	transcript := transcriptOf(own, peer.Device, peer.Signed, peer.OneTime, shown)
	made, failed := agreeOn(pairs, secret, transcript)
	return shown, made, firstOf(err, failed)
}

// respond: signed and oneTime are the private parts that the handshake names; oneTime may be nil.
func respond(own *PeerDevice, agreement []byte, from *PeerDevice, shown handshake, signed PrivatePair, oneTime []byte) (*agreed, error) {
	pairs := [][2][]byte{{signed.X25519, from.Agreement}, {agreement, shown.ephemeral}, {signed.X25519, shown.ephemeral}}
	classic, lattice := signed.public()
	var publicOneTime *OneTimePrekey
	if oneTime != nil {
		publicOneTime = &OneTimePrekey{shown.oneTimeID, publicX25519(oneTime)}
		pairs = append(pairs, [2][]byte{oneTime, shown.ephemeral})
	}
	secret, err := decapsulate(signed.KEM, shown.ciphertext)
	if err != nil {
		return nil, err
	}
	prekeys := &SignedPrekeys{shown.signedID, classic, lattice}
	return agreeOn(pairs, secret, transcriptOf(from, own, prekeys, publicOneTime, shown))
}

func transcriptOf(initiator, responder *PeerDevice, signed *SignedPrekeys, oneTime *OneTimePrekey, shown handshake) []byte {
	oneTimeKey := make([]byte, 32)
	if oneTime != nil {
		oneTimeKey = oneTime.X25519
	}
	return labelled("essaim/pqxdh/v1", u8(2), initiator.party(), responder.party(), u32(signed.ID), signed.X25519,
		u32(shown.oneTimeID), oneTimeKey, signed.KEM, shown.ephemeral, shown.ciphertext)
}

func agreeOn(pairs [][2][]byte, secret, transcript []byte) (*agreed, error) {
	joined := bytes.Repeat([]byte{0xff}, 32)
	for _, pair := range pairs {
		shared, err := agree(pair[0], pair[1])
		if err != nil {
			return nil, err
		}
		joined = append(joined, shared...)
	}
	parts := fields(derive(append(joined, secret...), make([]byte, 32), transcript, 96), 32, 32)
	return &agreed{transcript, parts[0], parts[1], parts[2]}, nil
}
