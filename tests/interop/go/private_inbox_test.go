package essaim

import (
	"slices"
	"testing"
)

type privateInboxVectors struct {
	AccountSeed octets `json:"account_seed"`
	Secret      octets
	BaseSeed    octets `json:"base_seed"`
	Capability  octets
	Name        octets
	Day         uint32
	Policy      octets
	MailboxID   octets `json:"mailbox_id"`
	WriteSeed   octets `json:"write_seed"`
	DeviceSeed  octets `json:"device_signing_seed"`
	Slot        int
	SlotKey     octets `json:"slot_key"`
	SlotRecord  octets `json:"slot_record"`
	SlotSigned  octets `json:"slot_signature_of_hello"`
	Block       octets
}

func TestPrivateInboxOfADay(t *testing.T) {
	of, label := load[privateInboxVectors](t, "private_inbox"), "essaim/private/v1"
	account, day := NewAccount(of.AccountSeed), u32(of.Day)
	base := derive(account.key("mailbox"), []byte(label), append([]byte("base"), of.Secret...), 32)
	equal(t, "base", base, of.BaseSeed)
	equal(t, "capability", fields(of.Capability, 21, 32)[1], newPlainKey(base).Public())
	equal(t, "secret", fields(of.Capability, 53)[1], of.Secret)
	equal(t, "name", labelled("essaim/capability/v1", of.Secret)[:16], of.Name)
	owner := newBlindedKey(base, label, of.Secret, day)
	writer := newPlainKey(derive(of.Secret, []byte(label), append([]byte("write"), day...), 32))
	mailbox := newMailbox(3, owner.Public(), writer.Public(), nobody)
	equal(t, "policy", mailbox.Policy, of.Policy)
	equal(t, "mailbox", mailbox.ID, of.MailboxID)
	device := newBlindedKey(of.DeviceSeed, "essaim/private-slot/v1", of.Secret, day)
	equal(t, "slot key", device.Public(), of.SlotKey)
	equal(t, "slot signature", device.Sign([]byte("hello")), of.SlotSigned)
	version := fields(of.SlotRecord, 65, 8)[1]
	record := slices.Concat(mailbox.ID, u8(of.Slot), device.Public(), version)
	equal(t, "record", of.SlotRecord[:73], record)
	signature := of.Block[8+64*(of.Day%32):][:64]
	equal(t, "signature", owner.Sign(append([]byte("essaim/slot/v1"), record...)), signature)
	equal(t, "signature in the record", of.SlotRecord[73:], signature)
}
