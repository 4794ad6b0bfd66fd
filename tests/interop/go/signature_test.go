package essaim

import "testing"

func TestSmallPointsAreNoKeys(t *testing.T) {
	for _, text := range []octets{append(octets{1}, make(octets, 31)...), make(octets, 32)} {
		if isPublicKey(text) {
			t.Fatalf("%x", text)
		}
	}
}
