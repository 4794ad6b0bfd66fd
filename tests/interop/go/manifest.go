package essaim

// Which devices an account has, signed by the account (identity.md, 3).

import (
	"bytes"
	"encoding/binary"
	"slices"
)

const (
	recordSize  = 114
	kemSize     = 1184
	dormantFlag = 2
)

// PeerDevice is a device of a verified manifest, with what a handshake needs of its account.
type PeerDevice struct {
	Identity, AccountAgreement []byte
	Slot, Flags                int
	DeviceID                   []byte
	Signing, Agreement         []byte
	ManifestHash               []byte
}

// Manifest is verified.
type Manifest struct {
	version, timeMs uint64
	hash            []byte
	// Of the up to 32 versions before, newest first.
	previous [][]byte
	devices  []*PeerDevice
}

// Pin is the newest manifest that was seen of an account.
type Pin struct {
	Version uint64
	Hash    []byte
}

// firstManifest is version 0, with one device in slot 0, which is a manager.
func firstManifest(account *Account, deviceID, signing, agreement, kem []byte, nowMs uint64) []byte {
	record := slices.Concat(u8(0), u8(1), deviceID, signing, agreement, labelled("essaim/kem/v1", kem))
	head := slices.Concat(u8(1), account.Identity, account.agreementPublic(), u64(0), u64(nowMs),
		labelled("essaim/previous/v1"), u8(1), u8(0), labelled("essaim/device/v1", record))
	signature := account.signer.Sign(append([]byte("essaim/manifest/v1"), head...))
	return slices.Concat(head, signature, u8(0), record, kem)
}

// certificateOf a first manifest: what initial messages carry.
func certificateOf(manifest []byte) []byte {
	parts := fields(manifest, 114+33+64, 1, recordSize)
	return append(bytes.Clone(parts[0]), parts[2]...)
}

type manifestHead struct {
	bytes, identity, rest []byte
	listed                [][]byte
}

func readHead(data []byte) (*manifestHead, error) {
	if len(data) < 114 || data[0] != 1 || data[113] < 1 || data[113] > 5 {
		return nil, refuse("MANIFEST_REFUSED")
	}
	size := 114 + 33*int(data[113])
	parts := fields(data, size, 64)
	if parts == nil || !signedBy(data[1:33], parts[1], "essaim/manifest/v1", parts[0]) {
		return nil, refuse("MANIFEST_REFUSED")
	}
	head := &manifestHead{bytes: parts[0], identity: data[1:33], rest: parts[2]}
	for at := 114; at < size; at += 33 {
		head.listed = append(head.listed, data[at:at+33])
	}
	ascending := slices.IsSortedFunc(head.listed, func(one, other []byte) int { return int(one[0]) - int(other[0]) })
	return head, unless(ascending && head.listed[len(head.listed)-1][0] <= 4, "MANIFEST_REFUSED")
}

func (head *manifestHead) device(record []byte) (*PeerDevice, error) {
	listed := slices.ContainsFunc(head.listed, func(each []byte) bool {
		return bytes.Equal(each, append([]byte{record[0]}, labelled("essaim/device/v1", record)...))
	})
	account := fields(head.bytes, 1, 32, 32)
	parts := fields(record, 1, 1, 16, 32, 32)
	return &PeerDevice{account[1], account[2], int(record[0]), int(record[1]), parts[2], parts[3], parts[4],
		labelled("essaim/manifest/v1", head.bytes)}, unless(listed, "MANIFEST_REFUSED")
}

func readManifest(identity, manifest []byte) (*Manifest, error) {
	head, err := readHead(manifest)
	if err != nil || !bytes.Equal(head.identity, identity) || len(head.rest) < 1 {
		return nil, refuse("MANIFEST_REFUSED")
	}
	made := &Manifest{hash: labelled("essaim/manifest/v1", head.bytes)}
	made.version, made.timeMs = binary.BigEndian.Uint64(head.bytes[65:]), binary.BigEndian.Uint64(head.bytes[73:])
	parts := fields(head.rest, 1, 32*int(head.rest[0]))
	if parts == nil || uint64(head.rest[0]) != min(made.version, 32) ||
		!bytes.Equal(labelled("essaim/previous/v1", parts[1]), head.bytes[81:113]) ||
		len(parts[2]) != len(head.listed)*(recordSize+kemSize) {
		return nil, refuse("MANIFEST_REFUSED")
	}
	made.previous = slices.Collect(slices.Chunk(parts[1], 32))
	index := 0
	for each := range slices.Chunk(parts[2], recordSize+kemSize) {
		record, kem := each[:recordSize], each[recordSize:]
		device, err := head.device(record)
		fits := err == nil && head.listed[index][0] == record[0]
		if !fits || !bytes.Equal(labelled("essaim/kem/v1", kem), record[82:]) {
			return nil, refuse("MANIFEST_REFUSED")
		}
		made.devices = append(made.devices, device)
		index++
	}
	return made, nil
}

// readCertificate gives the one device that it shows; its account is whom the head names.
func readCertificate(certificate []byte) (*PeerDevice, error) {
	head, err := readHead(certificate)
	if err != nil || len(head.rest) != recordSize {
		return nil, refuse("MANIFEST_REFUSED")
	}
	return head.device(head.rest)
}

// party is a device's part in a handshake's transcript (end-to-end.md, 2).
func (device *PeerDevice) party() []byte {
	return slices.Concat(device.Identity, device.AccountAgreement, u8(device.Slot), device.DeviceID,
		device.Agreement, device.ManifestHash)
}

// follow gives the next pin; an older list of devices, or another history, is refused.
func (pin *Pin) follow(next *Manifest) (*Pin, error) {
	made := &Pin{next.version, next.hash}
	if pin == nil {
		return made, nil
	}
	if next.version < pin.Version {
		return nil, refuse("MANIFEST_ROLLBACK")
	}
	history, ahead := append([][]byte{next.hash}, next.previous...), next.version-pin.Version
	return made, unless(ahead > 32 || bytes.Equal(history[ahead], pin.Hash), "MANIFEST_FORK")
}
