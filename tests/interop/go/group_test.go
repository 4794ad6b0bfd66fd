package essaim

import (
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	messagingv1 "essaim.example/gen/essaim/messaging/v1"
)

type groupVectors struct {
	Log struct {
		GroupID octets `json:"group_id"`
		Records octets
		IDs     []octets `json:"record_ids"`
		Heads   []octets
	}
	Epoch struct {
		Secret    octets
		AdminSeed octets `json:"admin_seed"`
		EpochID   octets `json:"epoch_id"`
		Day       uint32
		FrameKey  octets `json:"frame_key"`
		MailboxID octets `json:"mailbox_id"`
	}
	Speech struct {
		ExportKeys   []octets `json:"export_keys"`
		ChainKey     octets   `json:"chain_key"`
		SigningSeed  octets   `json:"signing_seed"`
		Announcement octets   `json:"chain_announcement"`
		Renewal      octets   `json:"epoch_announcement"`
		Envelopes    []octets
	}
}

func TestRecordsOfAGroupAreNamedAndSigned(t *testing.T) {
	log, label := load[groupVectors](t, "group").Log, "essaim/group-record/v1"
	var records messagingv1.GroupRecords
	must(t, proto.Unmarshal(log.Records, &records))
	devices := map[string]*PeerDevice{}
	for _, certificate := range records.Certificates {
		device, err := readCertificate(certificate)
		must(t, err)
		devices[string(labelled("essaim/group-certificate/v1", certificate))] = device
	}
	for at, record := range records.Records {
		equal(t, "record id", labelled(label, record.Statement), log.IDs[at])
		parts := fields(record.Statement, 34+32*int(record.Statement[33]), 32, 32)
		device := devices[string(parts[2])]
		equal(t, "account", parts[1], device.Identity)
		if !signedBy(device.Signing, record.Signature, label, record.Statement) {
			t.Fatalf("record %d", at)
		}
	}
	equal(t, "group id", log.GroupID, log.IDs[0])
}

func TestEpochOfAGroupGivesTheMailboxOfADay(t *testing.T) {
	vectors := load[groupVectors](t, "group")
	epoch, label, day := vectors.Epoch, "essaim/group/v1", u32(vectors.Epoch.Day)
	admin := newPlainKey(epoch.AdminSeed).Public()
	id := labelled("essaim/group-epoch/v1", vectors.Log.GroupID, admin, epoch.Secret)[:16]
	equal(t, "epoch id", id, epoch.EpochID)
	seed := func(name string) []byte {
		return derive(epoch.Secret, []byte(label), append([]byte(name), day...), 32)
	}
	equal(t, "frame key", seed("frame"), epoch.FrameKey)
	eraser, err := blindedPublic(admin, label, epoch.Secret, day)
	must(t, err)
	mailbox := newMailbox(4, newPlainKey(seed("read")).Public(), newPlainKey(seed("write")).Public(), eraser)
	equal(t, "mailbox", mailbox.ID, epoch.MailboxID)
}

// announced gives the secret of an announcement to who has one of the export keys.
func announced(t *testing.T, groupID, encoded, export []byte) (notice, secret []byte) {
	t.Helper()
	parts := fields(encoded[2:], int(binary.BigEndian.Uint16(encoded)))
	notice = parts[0]
	keys := fields(derive(export, []byte("essaim/group-entry/v1"), slices.Concat(groupID, notice[1:17]), 64), 32)
	for entry := range slices.Chunk(parts[1][2:], 56) {
		if string(entry[:8]) == string(mac(keys[0], notice)[:8]) {
			return notice, unsealed(keys[1], zeroNonce, entry[8:], notice)
		}
	}
	t.Fatal("not announced to this one")
	return nil, nil
}

func TestWhatIsSaidInAGroupIsHeard(t *testing.T) {
	vectors := load[groupVectors](t, "group")
	speech, groupID, label := vectors.Speech, vectors.Log.GroupID, "essaim/group-message/v1"
	_, secret := announced(t, groupID, speech.Renewal, speech.ExportKeys[1])
	equal(t, "epoch's secret", secret, vectors.Epoch.Secret)
	notice, key := announced(t, groupID, speech.Announcement, speech.ExportKeys[0])
	equal(t, "chain key", key, speech.ChainKey)
	signing := fields(notice, 50, 32)[1]
	equal(t, "signing key", signing, ed25519.NewKeyFromSeed(speech.SigningSeed)[32:])
	chain := Chain{ChainKey: key}
	heads := append(u8(len(vectors.Log.Heads)), slices.Concat(asBytes(vectors.Log.Heads)...)...)
	for number, envelope := range speech.Envelopes {
		frame, err := unpad(openExtended(vectors.Epoch.FrameKey, envelope, []byte("spoken")))
		must(t, err)
		front := frame[1:54]
		plain := unsealed(chain.step(), envelope[:12], frame[54:], slices.Concat(groupID, front))
		signature, said := plain[:64], plain[64:]
		if !signedBy(signing, signature, label, groupID, front[:16], front[49:], labelled(label, said)) {
			t.Fatalf("signature of %d", number)
		}
		equal(t, "said", said, append(slices.Clone(heads), "content "+string(rune('0'+number))...))
	}
}

func asBytes(from []octets) (made [][]byte) {
	for _, each := range from {
		made = append(made, each)
	}
	return made
}
