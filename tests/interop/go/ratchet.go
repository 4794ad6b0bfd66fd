package essaim

// The Double Ratchet with header encryption and a hybrid step (end-to-end.md, 4).

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const wireHeaderSize = 2348

// Ratchet has no slice that is written in place: a copy of the struct is a copy of the state.
type Ratchet struct {
	Transcript, Root           []byte
	Own                        PrivatePair
	Sending, Receiving         Chain
	NextSending, NextReceiving []byte
	Skipped                    []SkippedKey
}

func begin(with *agreed, peer *SignedPrekeys) (*Ratchet, error) {
	made := &Ratchet{Transcript: with.transcript, Root: with.root, Own: newPrivatePair(),
		NextSending: with.headerKey, NextReceiving: with.nextHeaderKey}
	return made, made.turnSending(peer.X25519, peer.KEM)
}

// accept cannot send before it has received.
func accept(with *agreed, prekeys PrivatePair) *Ratchet {
	return &Ratchet{Transcript: with.transcript, Root: with.root, Own: prekeys,
		NextSending: with.nextHeaderKey, NextReceiving: with.headerKey}
}

// encrypt makes a message of exactly so many bytes.
func (ratchet *Ratchet) encrypt(content []byte, size int) ([]byte, error) {
	padded, err := pad(content, size-wireHeaderSize-16)
	chain := &ratchet.Sending
	if err := firstOf(err, unless(chain.ChainKey != nil, "NOTHING_RECEIVED")); err != nil {
		return nil, err
	}
	number := u32(chain.Next)
	messageKey := chain.step()
	classic, lattice := ratchet.Own.public()
	header := slices.Concat(classic, lattice, chain.Ciphertext, u32(chain.Previous), number)
	tag, nonce := tagOf(chain.HeaderKey, number), random(12)
	wire := slices.Concat(tag, nonce, sealed(chain.HeaderKey, nonce, header, tag))
	body := sealed(messageKey, nonce, padded, slices.Concat(ratchet.Transcript, wire))
	return append(wire, body...), nil
}

// decrypt gives nil when no key of this session opens the header; a refusal changes nothing.
func (ratchet *Ratchet) decrypt(message []byte) ([]byte, error) {
	parts := fields(message, 8, 12, wireHeaderSize-20)
	if parts == nil {
		return nil, refuse("MALFORMED")
	}
	next := *ratchet
	next.Skipped = slices.Clone(ratchet.Skipped)
	tag, nonce := parts[0], parts[1]
	for _, headerKey := range next.headerKeys() {
		header := fields(unsealed(headerKey, nonce, parts[2], tag), 32, kemSize, 1088, 4, 4)
		if header == nil {
			continue
		}
		if !bytes.Equal(tag, tagOf(headerKey, header[4])) {
			return nil, refuse("UNREADABLE")
		}
		if bytes.Equal(headerKey, next.NextReceiving) {
			if err := next.turn(header[0], header[1], header[2], binary.BigEndian.Uint32(header[3])); err != nil {
				return nil, err
			}
		}
		messageKey, err := next.messageKey(headerKey, binary.BigEndian.Uint32(header[4]))
		if err != nil {
			return nil, err
		}
		padded := unsealed(messageKey, nonce, parts[3], slices.Concat(next.Transcript, message[:wireHeaderSize]))
		content, err := unpad(padded)
		if err := firstOf(unless(padded != nil, "SESSION_BROKEN"), err); err != nil {
			return nil, err
		}
		*ratchet = next
		return content, nil
	}
	return nil, nil
}

func (ratchet *Ratchet) headerKeys() [][]byte {
	keys := [][]byte{ratchet.NextReceiving}
	if ratchet.Receiving.HeaderKey != nil {
		keys = append(keys, ratchet.Receiving.HeaderKey)
	}
	for _, each := range ratchet.Skipped {
		if !slices.ContainsFunc(keys, func(key []byte) bool { return bytes.Equal(key, each.HeaderKey) }) {
			keys = append(keys, each.HeaderKey)
		}
	}
	return keys
}

func (ratchet *Ratchet) turn(theirs, theirKEM, ciphertext []byte, previous uint32) error {
	old := &ratchet.Receiving
	if old.ChainKey != nil && uint64(previous) <= uint64(old.Next)+mostSkipped {
		ratchet.skip(previous)
	}
	shared, err := ratchet.Own.agree(theirs, ciphertext)
	if err != nil {
		return err
	}
	headerKey := ratchet.NextReceiving
	var chainKey []byte
	chainKey, ratchet.NextReceiving = ratchet.advance(shared)
	ratchet.Receiving = Chain{HeaderKey: headerKey, ChainKey: chainKey}
	ratchet.Own = newPrivatePair()
	return ratchet.turnSending(theirs, theirKEM)
}

func (ratchet *Ratchet) turnSending(theirs, theirKEM []byte) error {
	classic, err := agree(ratchet.Own.X25519, theirs)
	if err != nil {
		return err
	}
	ciphertext, secret, err := encapsulate(theirKEM)
	if err != nil {
		return err
	}
	headerKey, previous := ratchet.NextSending, ratchet.Sending.Next
	var chainKey []byte
	chainKey, ratchet.NextSending = ratchet.advance(append(classic, secret...))
	ratchet.Sending = Chain{headerKey, chainKey, 0, ciphertext, previous}
	return nil
}

// advance is KDF_RK: chain key and next header key.
func (ratchet *Ratchet) advance(shared []byte) (chainKey, headerKey []byte) {
	parts := fields(derive(shared, ratchet.Root, []byte("essaim/ratchet/v1"), 96), 32, 32)
	ratchet.Root = parts[0]
	return parts[1], parts[2]
}
