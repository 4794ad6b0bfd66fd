package essaim

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// octets are bytes that stand in hexadecimal in the vectors.
type octets []byte

func (bytes *octets) UnmarshalText(text []byte) (err error) {
	*bytes, err = hex.DecodeString(string(text))
	return err
}

// load reads tests/vectors of the repository.
func load[Vectors any](t *testing.T, name string) (vectors Vectors) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "vectors", name+".json"))
	if err == nil {
		err = json.Unmarshal(data, &vectors)
	}
	must(t, err)
	return vectors
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func equal(t *testing.T, what string, got, wanted []byte) {
	t.Helper()
	if string(got) != string(wanted) {
		t.Fatalf("%s: %x is not %x", what, got, wanted)
	}
}

func refusedWith(t *testing.T, err error, reason string) {
	t.Helper()
	var refused *Refused
	if !errors.As(err, &refused) || refused.Reason != reason {
		t.Fatalf("%v is not %s", err, reason)
	}
}

// replay hands out what was drawn when a vector was made, and checks that as much is asked for.
func replay(t *testing.T, drawn ...octets) func(int) []byte {
	return func(size int) []byte {
		t.Helper()
		if len(drawn) == 0 || len(drawn[0]) != size {
			t.Fatalf("%d bytes were not drawn here", size)
		}
		next := drawn[0]
		drawn = drawn[1:]
		return next
	}
}
