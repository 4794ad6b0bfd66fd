package essaim

// What an account leaves in its outbox for whoever has its ID (identity.md, 4).

import (
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

var envelopeSizes = []int{4096, 10240, 57344, 253952}

// sizeFor is the smallest envelope that holds so much, or 0.
func sizeFor(length int) int {
	at := slices.IndexFunc(envelopeSizes, func(size int) bool { return size >= length })
	if at < 0 {
		return 0
	}
	return envelopeSizes[at]
}

func sealEntry(identity []byte, name string, content []byte) ([]byte, error) {
	padded, err := pad(content, sizeFor(24+4+len(content)+16)-24-16)
	if err != nil {
		return nil, err
	}
	return sealBare(identity, name, padded), nil
}

func openEntry(identity []byte, name string, sealed []byte) ([]byte, error) {
	padded, err := openBare(identity, name, sealed)
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

// sealBare is without padding, as one-time prekeys are.
func sealBare(identity []byte, name string, plain []byte) []byte {
	nonce := random(24)
	return sealExtended(entryKey(identity, name), nonce, plain, []byte(name))
}

func openBare(identity []byte, name string, sealed []byte) ([]byte, error) {
	plain := openExtended(entryKey(identity, name), sealed, []byte(name))
	return plain, unless(plain != nil, "OUTBOX_ENTRY_REFUSED")
}

func entryKey(identity []byte, name string) []byte {
	return derive(identity, []byte("essaim/outbox/v1"), []byte(name), 32)
}

// sealExtended is nonce 24 | XChaCha20-Poly1305.
func sealExtended(key, nonce, plain, associated []byte) []byte {
	cipher, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // lengths are constants
	}
	return cipher.Seal(slices.Clone(nonce), nonce, plain, associated)
}

// openExtended gives nil where the key does not open it.
func openExtended(key, sealed, associated []byte) []byte {
	cipher, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // lengths are constants
	}
	parts := fields(sealed, 24)
	if parts == nil {
		return nil
	}
	plain, err := cipher.Open([]byte{}, parts[0], parts[1], associated)
	if err != nil {
		return nil
	}
	return plain
}
