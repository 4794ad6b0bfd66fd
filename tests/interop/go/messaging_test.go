package essaim

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/blake2b"
)

type messagingVectors struct {
	People struct {
		AliceSeed octets `json:"alice_seed"`
		BobSeed   octets `json:"bob_seed"`
	}
	Linking struct {
		Code              string
		MailboxID         octets `json:"mailbox_id"`
		ScalarSeed        octets `json:"newcomer_scalar_seed"`
		KEMSeed           octets `json:"newcomer_kem_seed"`
		Hello, Offer      octets
		Account, Check    string
		Request, Approval octets
		ApprovalContent   octets `json:"approval_content"`
	}
	Configuration struct {
		Key, Merged, Sealed octets
		MailboxID           octets `json:"mailbox_id"`
	}
	Generation struct {
		SigningSeed octets `json:"device_signing_seed"`
		MailboxID   octets `json:"mailbox_id"`
		Number      uint64
		Sealed      octets
	}
	Safety struct {
		Number string
		Code   string `json:"code_of_alice"`
	}
	Moved struct {
		TimeMs    uint64 `json:"time_ms"`
		Statement octets
	}
	Backup struct {
		Key          octets `json:"backup_key"`
		File, Record octets
	}
}

// keptUnder is an outbox and its one entry that follow from a secret (messaging.md, 6 and 7).
func keptUnder(t *testing.T, secret []byte, label, name string, sealed []byte) (id, content []byte) {
	t.Helper()
	writer := newPlainKey(derive(secret, []byte(label), []byte("write"), 32))
	padded := openExtended(derive(secret, []byte(label), []byte("seal"), 32), sealed, []byte(name))
	content, err := unpad(padded)
	must(t, err)
	return newMailbox(outboxKind, nobody, writer.Public(), nobody).ID, content
}

func TestConfigurationAndGenerationLieWhereTold(t *testing.T) {
	vectors := load[messagingVectors](t, "messaging")
	told := vectors.Configuration
	id, content := keptUnder(t, told.Key, "essaim/configuration/v1", "configuration", told.Sealed)
	equal(t, "mailbox", id, told.MailboxID)
	equal(t, "configuration", content, told.Merged)
	seed := derive(vectors.Generation.SigningSeed, []byte("essaim/device/v1"), []byte("generation"), 32)
	id, content = keptUnder(t, seed, "essaim/generation/v1", "generation", vectors.Generation.Sealed)
	equal(t, "mailbox", id, vectors.Generation.MailboxID)
	equal(t, "generation", content, u64(vectors.Generation.Number))
}

func safetyHalf(identity []byte) string {
	hash := sha512.Sum512(slices.Concat([]byte("essaim/safety/v1"), identity))
	for range 5200 {
		hash = sha512.Sum512(slices.Concat(hash[:], identity))
	}
	var half strings.Builder
	for at := 0; at < 30; at += 5 {
		fmt.Fprintf(&half, "%05d", binary.BigEndian.Uint64(slices.Concat(make([]byte, 3), hash[at:at+5]))%100000)
	}
	return half.String()
}

func TestSafetyNumberAndMove(t *testing.T) {
	vectors := load[messagingVectors](t, "messaging")
	alice, bob := NewAccount(vectors.People.AliceSeed), NewAccount(vectors.People.BobSeed)
	halves := []string{safetyHalf(alice.Identity), safetyHalf(bob.Identity)}
	slices.Sort(halves)
	code := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(slices.Concat(alice.Identity, bob.Identity))
	if strings.Join(halves, "") != vectors.Safety.Number || "ESSAIM1"+code != vectors.Safety.Code {
		t.Fatal("safety")
	}
	front := slices.Concat(u8(1), alice.Identity, bob.Identity, u64(vectors.Moved.TimeMs))
	text := append([]byte("essaim/moved/v1"), front...)
	equal(t, "move", slices.Concat(front, alice.signer.Sign(text), bob.signer.Sign(text)), vectors.Moved.Statement)
}

func TestBackupOpens(t *testing.T) {
	vectors := load[messagingVectors](t, "messaging")
	alice := NewAccount(vectors.People.AliceSeed)
	equal(t, "backup key", alice.key("backup"), vectors.Backup.Key)
	parts := fields(vectors.Backup.File, 38, 24)
	front, rest := parts[0], parts[2]
	equal(t, "front", front[:14], []byte("ESSAIMBACKUP1\x01"))
	stream := newStream(derive(vectors.Backup.Key, []byte("essaim/backup/v1"), front[14:30], 32), parts[1])
	var records [][]byte
	for tag := byte(streamMessage); tag != streamFinal; {
		size := binary.BigEndian.Uint32(rest)
		parts = fields(rest[4:], int(size))
		var record []byte
		var err error
		tag, record, err = stream.pull(parts[0], front)
		must(t, err)
		records, rest = append(records, record), parts[1]
	}
	if len(rest) != 0 || len(records) != 2 || len(records[1]) != 0 {
		t.Fatalf("%d records", len(records))
	}
	equal(t, "record", records[0], vectors.Backup.Record)
}

// RFC 9382, section 6: M and N of edwards25519.
var spakePoints = [2]octets{
	unhexed("d048032c6ea0b6d697ddc2e86bda85a33adac920f1bf18e1b0c6d166a5cecdaf"),
	unhexed("d3bfb518f44f3430f29d0c92af503865a1ed3281dc69b35dd868ba85f886c4ab"),
}

func unhexed(text string) (made octets) {
	if made.UnmarshalText([]byte(text)) != nil {
		panic(text)
	}
	return made
}

func pointOf(t *testing.T, encoded []byte) *edwards25519.Point {
	t.Helper()
	point, err := new(edwards25519.Point).SetBytes(encoded)
	must(t, err)
	return point
}

// spakeKey is SHA-256(TT) on the newcomer's side (devices.md, 2).
func spakeKey(t *testing.T, password, secret *edwards25519.Scalar, offered []byte) (share, key []byte) {
	t.Helper()
	blind := new(edwards25519.Point).ScalarMult(password, pointOf(t, spakePoints[0]))
	share = new(edwards25519.Point).Add(new(edwards25519.Point).ScalarBaseMult(secret), blind).Bytes()
	theirs := new(edwards25519.Point).ScalarMult(password, pointOf(t, spakePoints[1]))
	shared := new(edwards25519.Point).Subtract(pointOf(t, offered), theirs)
	shared.MultByCofactor(shared.ScalarMult(secret, shared))
	var transcript []byte
	for _, part := range [][]byte{[]byte("newcomer"), []byte("sponsor"), share, offered, shared.Bytes(), password.Bytes()} {
		transcript = append(binary.LittleEndian.AppendUint64(transcript, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(transcript)
	return share, sum[:]
}

func TestNewcomerIsLinked(t *testing.T) {
	told, salt := load[messagingVectors](t, "messaging").Linking, []byte("essaim/link/v1")
	code := []byte(strings.ReplaceAll(told.Code, "-", ""))
	reader, writer := newPlainKey(derive(code[:4], salt, []byte("read"), 32)), newPlainKey(derive(code[:4], salt, []byte("write"), 32))
	equal(t, "mailbox", newMailbox(3, reader.Public(), writer.Public(), nobody).ID, told.MailboxID)
	password := reduced(blake2b.Sum512(slices.Concat(salt, code[4:])))
	hello, err := unpad(told.Hello)
	must(t, err)
	offer, err := unpad(told.Offer)
	must(t, err)
	parts := fields(offer, 1, 32, 1088)
	share, key := spakeKey(t, password, reduced([64]byte(told.ScalarSeed)), parts[1])
	equal(t, "hello", hello, slices.Concat(u8(1), share, publicKEM(told.KEMSeed)))
	secret, err := decapsulate(told.KEMSeed, parts[2])
	must(t, err)
	shared := append(key, secret...)
	opened := func(name string, number int, box []byte) []byte {
		return unsealed(derive(shared, salt, []byte(name), 32), zeroNonce, box, u8(number))
	}
	account, err := ReadAccountID(told.Account)
	must(t, err)
	equal(t, "account", opened("offer", 2, parts[3]), account)
	check := binary.BigEndian.Uint32(derive(shared, salt, []byte("check"), 32)) % 1000000
	if fmt.Sprintf("%06d", check) != told.Check {
		t.Fatalf("check %06d", check)
	}
	request, err := unpad(told.Request)
	must(t, err)
	if !bytes.HasSuffix(opened("request", 3, request[1:]), []byte("\x07kitchen")) {
		t.Fatal("request")
	}
	approval, err := unpad(told.Approval)
	must(t, err)
	equal(t, "approval", opened("approval", 4, approval[1:]), told.ApprovalContent)
}
