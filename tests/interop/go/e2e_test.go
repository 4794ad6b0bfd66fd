package essaim

import (
	"slices"
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

// deviceOf puts a device together from the vectors' private keys.
func deviceOf(t *testing.T, who person) *Device {
	t.Helper()
	seed, err := ReadPhrase(who.Words)
	must(t, err)
	account := NewAccount(seed)
	manifest, err := openEntry(account.Identity, "manifest", who.ManifestEntry)
	must(t, err)
	state := &DeviceState{SigningSeed: who.Device.SigningSeed, Agreement: who.Device.Agreement, Manifest: manifest}
	device, err := openDevice(account, state)
	must(t, err)
	equal(t, "manifest hash", device.Listed.ManifestHash, who.ManifestHash)
	equal(t, "device id", device.Listed.DeviceID, who.Device.ID)
	slotKey := newPlainKey(who.Device.SlotSeed)
	equal(t, "slot key", device.slotKey(make([]byte, 32)).Public(), slotKey.Public())
	entry, err := openEntry(account.Identity, "prekeys/0", who.PrekeysEntry)
	must(t, err)
	prekeys, err := readSignedPrekeys(device.Listed, entry)
	must(t, err)
	pair := PrivatePair{who.SignedPrekey, who.SignedKEMPrekey}
	classic, lattice := pair.public()
	equal(t, "signed prekey", prekeys.X25519, classic)
	equal(t, "KEM prekey", prekeys.KEM, lattice)
	state.SignedPrekeys = []OwnPrekeys{{pair, prekeys.ID, 0}}
	if who.OneTimeSealed != nil {
		oneTime, err := readOneTimePrekey(device.Listed, who.NodeID, who.OneTimeSealed)
		must(t, err)
		equal(t, "one-time prekey", oneTime.X25519, publicX25519(who.OneTimePrivate))
		state.OneTimePrekeys = []OneTimePrekey{{oneTime.ID, who.OneTimePrivate}}
	}
	return device
}

func TestInitialMessagesAreOpenedOnce(t *testing.T) {
	vectors := load[e2eVectors](t, "e2e")
	deviceOf(t, vectors.Alice)
	bob := deviceOf(t, vectors.Bob)
	for _, step := range vectors.Story[:2] {
		from, content := bob.open(step.Envelope)
		equal(t, "content", content, []byte(step.Text))
		equal(t, "sender", from.Identity, vectors.Alice.Identity)
	}
	if _, content := bob.open(vectors.Story[0].Envelope); content != nil || len(bob.OneTimePrekeys) != 0 {
		t.Fatal("opened twice")
	}
}

// newPair of devices with a session between them.
func newPair(t *testing.T) (one, other *Device) {
	t.Helper()
	devices := make([]*Device, 2)
	for index := range devices {
		account := NewAccount(random(32))
		state := newDevice(account, 1)
		device, err := openDevice(account, &state)
		must(t, err)
		devices[index] = device
	}
	one, other = devices[0], devices[1]
	entries, err := other.entries()
	must(t, err)
	entry, err := openEntry(other.Listed.Identity, "prekeys/0", entries["prekeys/0"])
	must(t, err)
	signed, err := readSignedPrekeys(other.Listed, entry)
	must(t, err)
	_, err = one.start(&Bundle{other.Listed, signed, nil})
	must(t, err)
	return one, other
}

func TestMessagesLostLateRepeatedAndAltered(t *testing.T) {
	one, other := newPair(t)
	seal := func(from, to *Device, text string) []byte {
		t.Helper()
		envelope, err := from.seal(from.session(to.Listed), []byte(text))
		must(t, err)
		return envelope
	}
	opens := func(device *Device, envelope []byte, wanted string) {
		t.Helper()
		_, content := device.open(envelope)
		equal(t, "content", content, []byte(wanted))
	}
	first := [][]byte{seal(one, other, "0"), seal(one, other, "1"), seal(one, other, "2")}
	opens(other, first[2], "2")
	opens(other, first[0], "0")
	opens(other, first[2], "")
	opens(other, first[1], "1")
	opens(one, seal(other, one, "answer"), "answer")
	second := [][]byte{seal(one, other, "0"), seal(one, other, "1"), seal(one, other, "2"), seal(one, other, "3")}
	altered := slices.Clone(second[0])
	altered[4000] ^= 1
	opens(other, altered, "")
	opens(other, second[3], "3")
	opens(one, seal(other, one, "turned"), "turned")
	opens(other, seal(one, other, "turned again"), "turned again")
	opens(other, second[0], "0")
	opens(other, second[2], "2")
	opens(other, second[0], "")
	if len(second[0]) != 4096 || len(first[0]) != 10240 {
		t.Fatal("sizes")
	}
}

func TestPinsBarOlderAndOtherManifests(t *testing.T) {
	one, _ := newPair(t)
	manifest, err := readManifest(one.Listed.Identity, one.Manifest)
	must(t, err)
	pin, err := (*Pin)(nil).follow(manifest)
	must(t, err)
	_, err = pin.follow(manifest)
	must(t, err)
	_, err = (&Pin{1, pin.Hash}).follow(manifest)
	refusedWith(t, err, "MANIFEST_ROLLBACK")
	_, err = (&Pin{0, nobody}).follow(manifest)
	refusedWith(t, err, "MANIFEST_FORK")
}

func TestMarkOfAnEntry(t *testing.T) {
	marks := load[struct {
		Marks struct {
			AuthorshipKey octets `json:"authorship_key"`
			Conversation  octets
			Bare          octets `json:"content_without_mark"`
			Content       octets
		}
	}](t, "messaging").Marks
	mark := markOf(marks.AuthorshipKey, marks.Conversation, marks.Bare)
	equal(t, "content", slices.Concat(marks.Bare, []byte{0x9a, 0x01, 0x10}, mark), marks.Content)
}
