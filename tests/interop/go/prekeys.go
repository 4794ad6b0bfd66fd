package essaim

// Public keys that are left behind, so that others can begin a session meanwhile (identity.md, 5).

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
)

// SignedPrekeys are the public parts.
type SignedPrekeys struct {
	ID          uint32
	X25519, KEM []byte
}

// OneTimePrekey is a public part, or in a device's state the private one.
type OneTimePrekey struct {
	ID     uint32
	X25519 []byte
}

func writeSignedPrekeys(owner *PeerDevice, signer Signer, keys SignedPrekeys, nowMs uint64) []byte {
	body := slices.Concat(u8(1), owner.DeviceID, u32(keys.ID), u64(nowMs), keys.X25519, keys.KEM)
	return append(body, signer.Sign(slices.Concat([]byte("essaim/prekeys/v1"), owner.Identity, body))...)
}

func readSignedPrekeys(owner *PeerDevice, data []byte) (*SignedPrekeys, error) {
	parts := fields(data, 1, 16, 4, 8, 32, kemSize, 64)
	if parts == nil || len(data) != 1309 || data[0] != 1 || !bytes.Equal(parts[1], owner.DeviceID) {
		return nil, refuse("PREKEY_REFUSED")
	}
	good := signedBy(owner.Signing, parts[6], "essaim/prekeys/v1", owner.Identity, data[:len(data)-64])
	return &SignedPrekeys{binary.BigEndian.Uint32(parts[2]), parts[4], parts[5]}, unless(good, "PREKEY_REFUSED")
}

// writeOneTimePrekey for one storage node, which serves it once.
func writeOneTimePrekey(owner *PeerDevice, signer Signer, nodeID []byte, key OneTimePrekey) []byte {
	body := slices.Concat(u8(1), owner.DeviceID, u32(key.ID), key.X25519)
	signature := signer.Sign(slices.Concat([]byte("essaim/one-time/v1"), owner.Identity, nodeID, body))
	return sealBare(owner.Identity, oneTimeName(owner), append(body, signature...))
}

func readOneTimePrekey(owner *PeerDevice, nodeID, sealed []byte) (*OneTimePrekey, error) {
	data, err := openBare(owner.Identity, oneTimeName(owner), sealed)
	if err != nil {
		return nil, err
	}
	parts := fields(data, 1, 16, 4, 32, 64)
	if parts == nil || len(data) != 117 || data[0] != 1 || !bytes.Equal(parts[1], owner.DeviceID) {
		return nil, refuse("PREKEY_REFUSED")
	}
	id := binary.BigEndian.Uint32(parts[2])
	good := id != 0 && signedBy(owner.Signing, parts[4], "essaim/one-time/v1", owner.Identity, nodeID, data[:len(data)-64])
	return &OneTimePrekey{id, parts[3]}, unless(good, "PREKEY_REFUSED")
}

func oneTimeName(owner *PeerDevice) string { return "one-time/" + strconv.Itoa(owner.Slot) }
