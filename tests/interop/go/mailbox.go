package essaim

// A mailbox: the policy that names it, and what its keys sign (mailbox.md, 1 to 5 and 9).

import (
	"bytes"
	"slices"

	storagev1 "essaim.example/gen/essaim/storage/v1"
)

const (
	publicInboxKind = 1
	outboxKind      = 2
)

var nobody = make([]byte, 32)

// Mailbox of somebody else, unless it has a signer: its owner, or a slot's key under the owner's slot record.
type Mailbox struct {
	ID, Policy []byte
	signer     Signer
	slotRecord []byte
}

func newMailbox(kind int, read, write, erase []byte) *Mailbox {
	policy := slices.Concat(u8(kind), read, write, erase)
	return &Mailbox{ID: labelled("essaim/mailbox/v1", policy), Policy: policy}
}

func publicInbox(identity []byte) (*Mailbox, error) {
	key, err := blindedPublic(identity, "essaim/public/v1", identity)
	return newMailbox(publicInboxKind, key, nobody, nobody), err
}

func outbox(identity []byte) (*Mailbox, error) {
	key, err := blindedPublic(identity, "essaim/outbox/v1", identity)
	return newMailbox(outboxKind, nobody, key, nobody), err
}

func (mailbox *Mailbox) signedBy(signer Signer, slotRecord []byte) *Mailbox {
	return &Mailbox{mailbox.ID, mailbox.Policy, signer, slotRecord}
}

func (mailbox *Mailbox) named() *storagev1.Mailbox {
	return &storagev1.Mailbox{Id: mailbox.ID, Policy: mailbox.Policy}
}

func (mailbox *Mailbox) envelopeID(version uint64, slot []byte, expiresMs uint64, data []byte) []byte {
	return labelled("essaim/envelope/v1", u64(version), mailbox.ID, named(slot), u64(expiresMs), data)
}

// slotRecordOf is the owner's word on whose a device slot is: 137 bytes.
func (mailbox *Mailbox) slotRecordOf(owner Signer, slot int, key []byte, version uint64) []byte {
	record := slices.Concat(mailbox.ID, u8(slot), key, u64(version))
	return append(record, owner.Sign(append([]byte("essaim/slot/v1"), record...))...)
}

func (mailbox *Mailbox) signedText(method string, hash []byte, expiresMs, timeMs uint64, nonce []byte) []byte {
	return slices.Concat([]byte("essaim/authorization/v1"), mailbox.ID, named([]byte(method)), hash,
		u64(expiresMs), u64(timeMs), nonce)
}

// authorize signs, if somebody does.
func (mailbox *Mailbox) authorize(method string, hash []byte, expiresMs, timeMs uint64) *storagev1.Authorization {
	if mailbox.signer == nil {
		return nil
	}
	nonce := random(16)
	signature := mailbox.signer.Sign(mailbox.signedText(method, hash, expiresMs, timeMs, nonce))
	record := mailbox.slotRecord
	return &storagev1.Authorization{TimeMs: timeMs, Nonce: nonce, Signature: signature, SlotRecord: record}
}

// store signs an envelope again for each attempt.
func (mailbox *Mailbox) store(envelope *storagev1.NewEnvelope, nowMs uint64) *storagev1.StoreRequest {
	id := mailbox.envelopeID(envelope.Version, envelope.Slot, envelope.ExpiresMs, envelope.Data)
	signed := &storagev1.NewEnvelope{Slot: envelope.Slot, ExpiresMs: envelope.ExpiresMs, Data: envelope.Data,
		Version: envelope.Version, Authorization: mailbox.authorize("Store", id, envelope.ExpiresMs, nowMs)}
	return &storagev1.StoreRequest{Mailbox: mailbox.named(), Envelopes: []*storagev1.NewEnvelope{signed}}
}

func (mailbox *Mailbox) retrieve(slot, cursor []byte, nowMs uint64) *storagev1.RetrieveRequest {
	signed := mailbox.authorize("Retrieve", payloadHash(named(slot)), 0, nowMs)
	return &storagev1.RetrieveRequest{Mailbox: mailbox.named(), Slot: slot, Cursor: cursor, Authorization: signed}
}

func (mailbox *Mailbox) subscribe(slot []byte, nowMs uint64) *storagev1.SubscribeRequest {
	signed := mailbox.authorize("Subscribe", payloadHash(named(slot)), 0, nowMs)
	return &storagev1.SubscribeRequest{Mailbox: mailbox.named(), Slot: slot, Authorization: signed}
}

func (mailbox *Mailbox) confirm(slot []byte, ids [][]byte, nowMs uint64) *storagev1.ConfirmRequest {
	ordered := slices.SortedFunc(slices.Values(ids), bytes.Compare)
	hash := payloadHash(append([][]byte{named(slot), u32(uint32(len(ids)))}, ordered...)...)
	signed := mailbox.authorize("Confirm", hash, 0, nowMs)
	return &storagev1.ConfirmRequest{Mailbox: mailbox.named(), Slot: slot, EnvelopeIds: ordered, Authorization: signed}
}

func (mailbox *Mailbox) publishPrekeys(
	slot, nodeID []byte, version uint64, prekeys [][]byte, nowMs uint64,
) *storagev1.PublishPrekeysRequest {
	hash := prekeysHash(slot, nodeID, version, prekeys)
	return &storagev1.PublishPrekeysRequest{Mailbox: mailbox.named(), Slot: slot, NodeId: nodeID, Version: version,
		Prekeys: prekeys, Authorization: mailbox.authorize("PublishPrekeys", hash, 0, nowMs)}
}

func prekeysHash(slot, nodeID []byte, version uint64, prekeys [][]byte) []byte {
	parts := [][]byte{named(slot), nodeID, u64(version), u32(uint32(len(prekeys)))}
	for _, each := range prekeys {
		parts = append(parts, u32(uint32(len(each))), each)
	}
	return payloadHash(parts...)
}

func payloadHash(parts ...[]byte) []byte { return labelled("essaim/payload/v1", parts...) }

// named is length u8 | bytes.
func named(text []byte) []byte { return append(u8(len(text)), text...) }

// isGenuine: an answer's envelope is what its id says, in the slot that was asked.
func (mailbox *Mailbox) isGenuine(slot []byte, found *storagev1.StoredEnvelope) bool {
	id := mailbox.envelopeID(found.Version, slot, found.ExpiresMs, found.Data)
	return bytes.Equal(found.Slot, slot) && bytes.Equal(id, found.EnvelopeId)
}
