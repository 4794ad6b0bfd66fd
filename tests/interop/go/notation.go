package essaim

// The notation of docs/protocol: integers, labelled hashes, derived keys, padding. Fields are joined by slices.Concat.

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/blake2b"
)

// Refused is what the documents tell a client to refuse, or what a node refused; Reason is their word for it.
type Refused struct {
	Reason string
	// Hop of a path that said it of the next one; guard: the guard; destination: the destination, or this client.
	Hop     int
	Details map[string]string
}

const (
	guard       = -1
	destination = -2
)

func (refused *Refused) Error() string { return refused.Reason }

func refuse(reason string) error { return &Refused{Reason: reason, Hop: destination} }

// unless is the refusal where a rule does not hold.
func unless(holds bool, reason string) error {
	if holds {
		return nil
	}
	return refuse(reason)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// random draws n bytes for keys, nonces and ids.
func random(n int) []byte {
	drawn := make([]byte, n)
	rand.Read(drawn)
	return drawn
}

func u8(value int) []byte     { return []byte{byte(value)} }
func u16(value int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(value)) }
func u32(value uint32) []byte { return binary.BigEndian.AppendUint32(nil, value) }
func u64(value uint64) []byte { return binary.BigEndian.AppendUint64(nil, value) }

// labelled is H(label, x...) of the documents.
func labelled(label string, parts ...[]byte) []byte {
	sum := blake2b.Sum256(slices.Concat(append([][]byte{[]byte(label)}, parts...)...))
	return sum[:]
}

func derive(secret []byte, salt, info []byte, size int) []byte {
	made, err := hkdf.Key(sha256.New, secret, salt, string(info), size)
	if err != nil {
		panic(err) // sizes are constants
	}
	return made
}

func mac(key []byte, parts ...[]byte) []byte {
	made := hmac.New(sha256.New, key)
	made.Write(slices.Concat(parts...))
	return made.Sum(nil)
}

// fields cuts data into pieces of these sizes, and what is left; nil where it is too short.
func fields(data []byte, sizes ...int) [][]byte {
	var parts [][]byte
	for _, size := range sizes {
		if len(data) < size {
			return nil
		}
		parts, data = append(parts, data[:size:size]), data[size:]
	}
	return append(parts, data)
}

// pad makes length u32 | content | zeros.
func pad(content []byte, size int) ([]byte, error) {
	if 4+len(content) > size {
		return nil, refuse("TOO_LONG")
	}
	made := make([]byte, size)
	copy(made, slices.Concat(u32(uint32(len(content))), content))
	return made, nil
}

func unpad(padded []byte) ([]byte, error) {
	parts := fields(padded, 4)
	if parts == nil || uint64(binary.BigEndian.Uint32(padded)) > uint64(len(parts[1])) {
		return nil, refuse("MALFORMED")
	}
	length := binary.BigEndian.Uint32(padded)
	content, zeros := parts[1][:length], parts[1][length:]
	return content, unless(len(bytes.Trim(zeros, "\x00")) == 0, "MALFORMED")
}
