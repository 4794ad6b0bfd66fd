package essaim

import (
	"strings"
	"testing"
)

type person struct {
	Words, ID        string
	IdentitySeed     octets `json:"identity_seed"`
	Identity         octets
	AgreementPrivate octets `json:"agreement_private"`
	PublicInboxKey   octets `json:"public_inbox_key"`
	OutboxKey        octets `json:"outbox_key"`
	Hello            octets `json:"outbox_signature_of_hello"`
	PrivateInbox     struct {
		Secret  octets
		Day     uint32
		ReadKey octets `json:"read_key"`
	} `json:"private_inbox"`
	Device struct {
		ID          octets
		SigningSeed octets `json:"signing_seed"`
		Agreement   octets `json:"agreement_private"`
		SlotSeed    octets `json:"slot_seed_in_mailbox_of_zeros"`
	}
	SignedPrekey    octets `json:"signed_prekey_private"`
	SignedKEMPrekey octets `json:"signed_kem_prekey_seed"`
	ManifestHash    octets `json:"manifest_hash"`
	ManifestEntry   octets `json:"manifest_entry"`
	PrekeysEntry    octets `json:"prekeys_entry"`
	NodeID          octets `json:"node_id"`
	OneTimeSealed   octets `json:"one_time_sealed"`
	OneTimePrivate  octets `json:"one_time_private"`
}

type e2eVectors struct {
	Alice, Bob person
	Story      []struct {
		To, Text string
		Envelope octets
	}
}

func TestWords(t *testing.T) {
	for _, each := range load[struct {
		Vectors []struct {
			Entropy octets
			Words   string
		}
	}](t, "bip39").Vectors {
		seed, err := ReadPhrase(" " + strings.ToUpper(each.Words) + " ")
		must(t, err)
		equal(t, each.Words, seed, each.Entropy)
		equal(t, each.Words, []byte(WritePhrase(seed)), []byte(each.Words))
	}
	for words, reason := range map[string]string{
		"abandon": "PHRASE_LENGTH", strings.Repeat("essaim ", 24): "PHRASE_WORD", strings.Repeat("abandon ", 24): "PHRASE_CHECKSUM",
	} {
		_, err := ReadPhrase(words)
		refusedWith(t, err, reason)
	}
}

func TestKeysOfAccounts(t *testing.T) {
	vectors := load[e2eVectors](t, "e2e")
	for _, who := range []person{vectors.Alice, vectors.Bob} {
		seed, err := ReadPhrase(who.Words)
		must(t, err)
		account := NewAccount(seed)
		equal(t, "identity seed", account.key("identity signing"), who.IdentitySeed)
		equal(t, "agreement", account.key("identity agreement"), who.AgreementPrivate)
		equal(t, "id", []byte(account.ID()), []byte(who.ID))
		identity, err := ReadAccountID(strings.ToUpper(who.ID))
		must(t, err)
		equal(t, "identity", identity, who.Identity)
		_, err = ReadAccountID(who.ID[:62] + "q")
		refusedWith(t, err, "ACCOUNT_ID_REFUSED")
		equal(t, "inbox", account.inboxKey().Public(), who.PublicInboxKey)
		outboxKey, err := blindedPublic(account.Identity, "essaim/outbox/v1", account.Identity)
		must(t, err)
		equal(t, "outbox", outboxKey, who.OutboxKey)
		equal(t, "hello", account.outboxKey().Sign([]byte("hello")), who.Hello)
		day := newBlindedKey(who.IdentitySeed, "essaim/private/v1", who.PrivateInbox.Secret, u32(who.PrivateInbox.Day))
		equal(t, "private inbox", day.Public(), who.PrivateInbox.ReadKey)
	}
}
