package essaim

import (
	"slices"
	"testing"
)

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
