package essaim

// One's own device: its keys, what it publishes, the sessions with others (identity.md, 3 and 5; end-to-end.md, 5).

import "slices"

// DeviceState is everything that must be on the disk: private keys, and what they were used for.
type DeviceState struct {
	SigningSeed, Agreement []byte
	Manifest               []byte
	// Newest first.
	SignedPrekeys  []OwnPrekeys
	OneTimePrekeys []OneTimePrekey
	NextPrekeyID   uint32
	// Of each peer the active one first.
	Sessions []*Session
	// Ephemeral keys of sessions that others began: none begins twice.
	Begun [][]byte
}

// OwnPrekeys are private parts.
type OwnPrekeys struct {
	PrivatePair
	ID        uint32
	CreatedMs uint64
}

const ownSlot = 0

// newDevice is the first of a new account.
func newDevice(account *Account, nowMs uint64) DeviceState {
	signingSeed, agreement := random(32), random(32)
	kem := publicKEM(random(64)) // laid out; no handshake uses it yet
	signing := newPlainKey(signingSeed).Public()
	manifest := firstManifest(account, random(16), signing, publicX25519(agreement), kem, nowMs)
	prekeys := []OwnPrekeys{{newPrivatePair(), 1, nowMs}}
	return DeviceState{SigningSeed: signingSeed, Agreement: agreement, Manifest: manifest, SignedPrekeys: prekeys, NextPrekeyID: 2}
}

// Device of an account; Listed is how others see it.
type Device struct {
	*DeviceState
	Listed      *PeerDevice
	listedMs    uint64
	certificate []byte
}

func openDevice(account *Account, state *DeviceState) (*Device, error) {
	manifest, err := readManifest(account.Identity, state.Manifest)
	if err != nil {
		return nil, err
	}
	return &Device{state, manifest.devices[0], manifest.timeMs, certificateOf(state.Manifest)}, nil
}

func (device *Device) slot() []byte { return u8(device.Listed.Slot) }

// entries of the outbox, by name.
func (device *Device) entries() (map[string][]byte, error) {
	own, identity := device.SignedPrekeys[0], device.Listed.Identity
	classic, lattice := own.public()
	signer := newPlainKey(device.SigningSeed)
	prekeys := writeSignedPrekeys(device.Listed, signer, SignedPrekeys{own.ID, classic, lattice}, own.CreatedMs)
	manifest, err := sealEntry(identity, "manifest", device.Manifest)
	if err != nil {
		return nil, err
	}
	sealedPrekeys, err := sealEntry(identity, "prekeys/0", prekeys)
	return map[string][]byte{"manifest": manifest, "prekeys/0": sealedPrekeys}, err
}

// newOneTimePrekeys for one storage node. Save the state before they are published.
func (device *Device) newOneTimePrekeys(nodeID []byte, count int) [][]byte {
	var made [][]byte
	for range count {
		key := OneTimePrekey{device.NextPrekeyID, random(32)}
		device.NextPrekeyID++
		device.OneTimePrekeys = append(device.OneTimePrekeys, key)
		shown := OneTimePrekey{key.ID, publicX25519(key.X25519)}
		made = append(made, writeOneTimePrekey(device.Listed, newPlainKey(device.SigningSeed), nodeID, shown))
	}
	return made
}

// slotKey is the one by which the device reads its slot of a mailbox.
func (device *Device) slotKey(mailboxID []byte) PlainKey {
	secret := derive(device.SigningSeed, []byte("essaim/device/v1"), []byte("slot"), 32)
	return newPlainKey(derive(secret, []byte("essaim/slot/v1"), mailboxID, 32))
}

// session that is active with a device, or nil.
func (device *Device) session(peer *PeerDevice) *Session {
	at := slices.IndexFunc(device.Sessions, func(each *Session) bool { return each.isWith(peer) })
	if at < 0 {
		return nil
	}
	return device.Sessions[at]
}
