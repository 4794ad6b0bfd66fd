package essaim

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
	"golang.org/x/text/unicode/norm"
	"google.golang.org/protobuf/proto"

	messagingv1 "essaim.example/gen/essaim/messaging/v1"
)

type exportVectors struct {
	Certificate octets `json:"maker_certificate"`
	Messages    []octets
	Passphrase  struct{ Passphrase, File string }
	Device      struct {
		Agreement octets `json:"agreement_key"`
		KEMSeed   octets `json:"kem_seed"`
		File      string
	}
}

const exportLabel = "essaim/export/v1"

// readExport opens a whole export and gives its messages, when the device of the certificate signed them.
func readExport(t *testing.T, file []byte, bodySize int, secretOf func(body []byte) []byte, certificate []byte) []octets {
	t.Helper()
	parts := fields(file, 14+bodySize, 24)
	front, rest := parts[0], parts[2]
	key := derive(secretOf(front[14:]), []byte(exportLabel), labelled(exportLabel, front), 32)
	stream, plain := newStream(key, parts[1]), []byte{}
	for at := 0; at < len(rest); at += 65553 {
		tag, chunk, err := stream.pull(rest[at:min(at+65553, len(rest))], nil)
		must(t, err)
		if (tag == streamFinal) != (at+65553 == len(rest)) {
			t.Fatal("where it ends")
		}
		plain = append(plain, chunk...)
	}
	var messages []octets
	signed := append([]byte(exportLabel), front...)
	for {
		size := binary.BigEndian.Uint32(plain)
		var record messagingv1.ExportRecord
		must(t, proto.Unmarshal(plain[4:4+size], &record))
		if closing := record.GetClosing(); closing != nil {
			digest := blake2b.Sum256(signed)
			device, err := readCertificate(certificate)
			must(t, err)
			if int(closing.Messages) != len(messages) || !signedBy(device.Signing, closing.Signature, exportLabel, digest[:]) {
				t.Fatal("closing")
			}
			return messages
		}
		if message := record.GetMessage(); message != nil {
			encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
			must(t, err)
			messages = append(messages, encoded)
		}
		signed, plain = append(signed, plain[:4+size]...), plain[4+size:]
	}
}

func TestExportsOpenByPassphraseAndByDevice(t *testing.T) {
	vectors := load[exportVectors](t, "export")
	byPassphrase := func(body []byte) []byte {
		passphrase := norm.NFKD.Bytes([]byte(vectors.Passphrase.Passphrase))
		operations, memory := binary.BigEndian.Uint32(body[16:]), binary.BigEndian.Uint32(body[20:])
		return argon2.IDKey(passphrase, body[:16], operations, memory, 1, 32)
	}
	byDevice := func(body []byte) []byte {
		label, own := "essaim/export/device/v1", PrivatePair{vectors.Device.Agreement, vectors.Device.KEMSeed}
		classic, lattice := own.public()
		for stanza := range slices.Chunk(body, 1168) {
			parts := fields(stanza, 32, 1088)
			shared, err := own.agree(parts[0], parts[1])
			must(t, err)
			info := labelled(label, parts[0], classic, lattice, parts[1])
			if secret := unsealed(derive(shared, []byte(label), info, 32), zeroNonce, parts[2], []byte(label)); secret != nil {
				return secret
			}
		}
		t.Fatal("no stanza opens")
		return nil
	}
	for _, each := range []struct {
		file   string
		size   int
		secret func([]byte) []byte
	}{{vectors.Passphrase.File, 24, byPassphrase}, {vectors.Device.File, 5 * 1168, byDevice}} {
		file, err := base64.StdEncoding.DecodeString(each.file)
		must(t, err)
		found := readExport(t, file, each.size, each.secret, vectors.Certificate)
		if len(found) != len(vectors.Messages) {
			t.Fatalf("%d messages", len(found))
		}
		for at, message := range found {
			equal(t, "message", message, vectors.Messages[at])
		}
	}
}
