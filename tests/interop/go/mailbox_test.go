package essaim

import (
	"bytes"
	"slices"
	"testing"
)

type mailboxVectors struct {
	Keys struct {
		Owner  octets `json:"owner_seed"`
		Writer octets `json:"writer_seed"`
		Device octets `json:"device_seed"`
	}
	Policies map[string]struct {
		Policy    octets
		MailboxID octets `json:"mailbox_id"`
	}
	Envelopes []struct {
		Mailbox    string
		Slot       octets
		Version    uint64
		ExpiresMs  uint64 `json:"expires_ms"`
		Fill, Size int
		EnvelopeID octets `json:"envelope_id"`
	}
	SlotRecords []struct {
		Mailbox string
		Slot    int
		Version uint64
		Encoded octets
		Dropped bool
	} `json:"slot_records"`
	Payloads struct {
		ReadSlot0    octets `json:"read_slot_0"`
		ConfirmSlot0 octets `json:"confirm_slot_0"`
		IDs          []octets
		Prekeys      octets
		PrekeysOf    struct {
			Slot    octets
			NodeID  octets `json:"node_id"`
			Version uint64
			Prekeys []octets
		} `json:"prekeys_of"`
	}
	Authorizations []struct {
		Mailbox, Method string
		PayloadHash     octets `json:"payload_hash"`
		ExpiresMs       uint64 `json:"expires_ms"`
		TimeMs          uint64 `json:"time_ms"`
		Nonce           octets
		SlotRecord      octets `json:"slot_record"`
		Signature       octets
	}
	Puzzles []struct {
		Mailbox  string
		Subject  octets
		Bits     int
		Solution octets
	}
}

// mailboxes of the vectors, without the blob: it has a policy of its own, which this client does not use.
func (of mailboxVectors) mailboxes() (owner, writer, device PlainKey, made map[string]*Mailbox) {
	owner, writer, device = newPlainKey(of.Keys.Owner), newPlainKey(of.Keys.Writer), newPlainKey(of.Keys.Device)
	return owner, writer, device, map[string]*Mailbox{
		"public_inbox":  newMailbox(publicInboxKind, owner.Public(), nobody, nobody),
		"outbox":        newMailbox(outboxKind, nobody, writer.Public(), nobody),
		"private_inbox": newMailbox(3, owner.Public(), writer.Public(), nobody),
		"group":         newMailbox(4, owner.Public(), writer.Public(), device.Public()),
	}
}

func TestPoliciesEnvelopesAndSlotRecords(t *testing.T) {
	vectors := load[mailboxVectors](t, "mailbox")
	owner, writer, device, mailboxes := vectors.mailboxes()
	for name, mailbox := range mailboxes {
		equal(t, name, mailbox.Policy, vectors.Policies[name].Policy)
		equal(t, name, mailbox.ID, vectors.Policies[name].MailboxID)
	}
	for _, each := range vectors.Envelopes {
		if mailbox := mailboxes[each.Mailbox]; mailbox != nil {
			data := bytes.Repeat([]byte{byte(each.Fill)}, each.Size)
			equal(t, each.Mailbox, mailbox.envelopeID(each.Version, each.Slot, each.ExpiresMs, data), each.EnvelopeID)
		}
	}
	for _, each := range vectors.SlotRecords {
		signer, key := owner, device.Public()
		if each.Mailbox == "outbox" {
			signer = writer
		}
		if each.Dropped {
			key = nobody
		}
		record := mailboxes[each.Mailbox].slotRecordOf(signer, each.Slot, key, each.Version)
		equal(t, "slot record", record, each.Encoded)
	}
}

func TestWhatRequestsAreSignedOver(t *testing.T) {
	vectors := load[mailboxVectors](t, "mailbox")
	owner, writer, device, mailboxes := vectors.mailboxes()
	for _, each := range vectors.Authorizations {
		mailbox := mailboxes[each.Mailbox]
		if mailbox == nil {
			continue
		}
		text := mailbox.signedText(each.Method, each.PayloadHash, each.ExpiresMs, each.TimeMs, each.Nonce)
		keys := []PlainKey{owner, writer, device}
		if len(each.SlotRecord) > 0 {
			keys = []PlainKey{device}
		}
		verifies := func(text []byte) bool {
			return slices.ContainsFunc(keys, func(key PlainKey) bool { return signedBy(key.Public(), each.Signature, "", text) })
		}
		if !verifies(text) || verifies(append(text, 0)) {
			t.Fatalf("%s of %s", each.Method, each.Mailbox)
		}
	}
}

func TestPayloadHashes(t *testing.T) {
	vectors := load[mailboxVectors](t, "mailbox")
	wanted, slot := vectors.Payloads, u8(0)
	parts := [][]byte{named(slot), u32(uint32(len(wanted.IDs)))}
	for _, id := range slices.SortedFunc(slices.Values(wanted.IDs), func(a, b octets) int { return bytes.Compare(a, b) }) {
		parts = append(parts, id)
	}
	equal(t, "read", payloadHash(named(slot)), wanted.ReadSlot0)
	equal(t, "confirm", payloadHash(parts...), wanted.ConfirmSlot0)
	var prekeys [][]byte
	for _, each := range wanted.PrekeysOf.Prekeys {
		prekeys = append(prekeys, each)
	}
	of := wanted.PrekeysOf
	equal(t, "prekeys", prekeysHash(of.Slot, of.NodeID, of.Version, prekeys), wanted.Prekeys)
}
