package essaim

// Sessions with other devices: beginning one, sealing, opening (end-to-end.md, 3 and 5).

import (
	"bytes"
	"errors"
	"slices"
)

const mostWithADevice = 6

// Session with a device. Handshake and Prekeys are there until something came: every message is an initial one.
type Session struct {
	Peer      *PeerDevice
	Ratchet   *Ratchet
	Handshake []byte
	Prekeys   *SignedPrekeys
}

func (session *Session) isWith(peer *PeerDevice) bool {
	return bytes.Equal(session.Peer.Identity, peer.Identity) && bytes.Equal(session.Peer.DeviceID, peer.DeviceID)
}

func (device *Device) start(bundle *Bundle) (*Session, error) {
	shown, with, err := initiate(device.Listed, device.Agreement, bundle)
	if err != nil {
		return nil, err
	}
	ratchet, err := begin(with, bundle.Signed)
	if err != nil {
		return nil, err
	}
	session := &Session{bundle.Device, ratchet, shown.bytes(), bundle.Signed}
	device.activate(session)
	return session, nil
}

// seal makes the envelope. Save the state before it is stored.
func (device *Device) seal(session *Session, content []byte) ([]byte, error) {
	around := 0
	if session.Handshake != nil {
		around = overhead(device.certificate)
	}
	size := sizeFor(around + wireHeaderSize + 16 + 4 + len(content))
	message, err := session.Ratchet.encrypt(content, size-around)
	if err != nil || session.Handshake == nil {
		return message, err
	}
	inner := initial{session.Handshake, session.Peer.ManifestHash, device.certificate, message}
	return sealInitial(session.Prekeys, inner)
}

// open says who wrote what; nil for what does not open. Save the state before it is confirmed.
func (device *Device) open(envelope []byte) (*PeerDevice, []byte) {
	from, content, err := device.openKnown(envelope)
	if err == nil && content == nil && len(envelope) > 4096 {
		from, content, err = device.openBeginning(envelope)
	}
	var refused *Refused
	if errors.As(err, &refused) {
		return nil, nil
	}
	return from, content
}

func (device *Device) openKnown(message []byte) (*PeerDevice, []byte, error) {
	for _, session := range device.Sessions {
		content, err := session.Ratchet.decrypt(message)
		if err != nil {
			return nil, nil, err
		}
		if content != nil {
			session.Handshake, session.Prekeys = nil, nil
			device.activate(session)
			return session.Peer, content, nil
		}
	}
	return nil, nil, nil
}

func (device *Device) openBeginning(envelope []byte) (*PeerDevice, []byte, error) {
	for _, pair := range device.SignedPrekeys {
		inner := openInitial(envelope, pair.PrivatePair)
		if inner == nil {
			continue
		}
		from, content, err := device.openKnown(inner.message)
		if content != nil || err != nil {
			return from, content, err
		}
		return device.accept(inner)
	}
	return nil, nil, nil
}

// accept a session that somebody else begins.
func (device *Device) accept(inner *initial) (*PeerDevice, []byte, error) {
	shown := readHandshake(inner.handshake)
	named := slices.IndexFunc(device.SignedPrekeys, func(pair OwnPrekeys) bool { return pair.ID == shown.signedID })
	at := slices.IndexFunc(device.OneTimePrekeys, func(key OneTimePrekey) bool { return key.ID == shown.oneTimeID })
	known := slices.ContainsFunc(device.Begun, func(key []byte) bool { return bytes.Equal(key, shown.ephemeral) })
	refused := firstOf(unless(!known, "REPLAYED"),
		unless(named >= 0 && (shown.oneTimeID == 0 || at >= 0), "SESSION_BROKEN"),
		unless(bytes.Equal(inner.manifestHash, device.Listed.ManifestHash), "MANIFEST_BEHIND"))
	peer, err := readCertificate(inner.certificate)
	if err := firstOf(refused, err); err != nil {
		return nil, nil, err
	}
	pair := device.SignedPrekeys[named].PrivatePair
	var oneTime []byte
	if at >= 0 {
		oneTime = device.OneTimePrekeys[at].X25519
	}
	with, err := respond(device.Listed, device.Agreement, peer, shown, pair, oneTime)
	if err != nil {
		return nil, nil, err
	}
	session := &Session{Peer: peer, Ratchet: accept(with, pair)}
	content, err := session.Ratchet.decrypt(inner.message)
	if err := firstOf(err, unless(content != nil, "UNREADABLE")); err != nil {
		return nil, nil, err
	}
	if at >= 0 {
		device.OneTimePrekeys = slices.Delete(device.OneTimePrekeys, at, at+1)
	}
	device.Begun = append(device.Begun, shown.ephemeral)
	device.activate(session)
	return peer, content, nil
}

// activate puts a session before all others; of those with the same device the oldest goes.
func (device *Device) activate(session *Session) {
	same := 0
	others := slices.DeleteFunc(slices.Clone(device.Sessions), func(each *Session) bool {
		if each.isWith(session.Peer) && each != session {
			same++
			return same >= mostWithADevice
		}
		return each == session
	})
	device.Sessions = append([]*Session{session}, others...)
}
