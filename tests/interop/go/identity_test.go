package essaim

import (
	"slices"
	"testing"
)

type identityVectors struct {
	Seed      octets
	Keys      map[string]octets
	Identity  octets
	Manifests []struct {
		Version      uint64
		TimeMs       uint64 `json:"time_ms"`
		Hash         octets
		Manifest     octets
		Certificates map[string]octets
	}
}

func TestAccountKeysFollowFromTheSeed(t *testing.T) {
	vectors := load[identityVectors](t, "identity")
	account := NewAccount(vectors.Seed)
	for purpose, key := range vectors.Keys {
		equal(t, purpose, account.key(purpose), key)
	}
	equal(t, "identity", account.Identity, vectors.Identity)
}

func TestManifestsFollowEachOther(t *testing.T) {
	vectors := load[identityVectors](t, "identity")
	var pin *Pin
	for at, each := range vectors.Manifests {
		manifest, err := readManifest(vectors.Identity, each.Manifest)
		must(t, err)
		if len(manifest.devices) != at+1 {
			t.Fatalf("%d devices", len(manifest.devices))
		}
		for _, certificate := range each.Certificates {
			device, err := readCertificate(certificate)
			must(t, err)
			equal(t, "manifest hash", device.ManifestHash, each.Hash)
		}
		pin, err = pin.follow(manifest)
		must(t, err)
	}
	oldest, err := readManifest(vectors.Identity, vectors.Manifests[0].Manifest)
	must(t, err)
	_, err = pin.follow(oldest)
	refusedWith(t, err, "MANIFEST_ROLLBACK")
	altered := slices.Clone(vectors.Manifests[2].Manifest)
	altered[len(altered)-1] ^= 1
	_, err = readManifest(vectors.Identity, altered)
	refusedWith(t, err, "MANIFEST_REFUSED")
}
