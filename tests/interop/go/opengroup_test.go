package essaim

import (
	"crypto/sha512"
	"encoding/binary"
	"slices"
	"testing"

	"filippo.io/edwards25519"
)

type opengroupVectors struct {
	TimeMs        uint64 `json:"time_ms"`
	HostSeed      octets `json:"host_seed"`
	HostID        octets `json:"host_id"`
	NodeID        octets `json:"node_id"`
	Attestation   octets
	AliceSeed     octets `json:"alice_seed"`
	BobSeed       octets `json:"bob_seed"`
	AliceMember   octets `json:"alice_member"`
	BobMember     octets `json:"bob_member"`
	RoomID        octets `json:"room_id"`
	Nonce, Body   octets
	Authorization octets `json:"authorization_signature"`
	Statement     octets
	Signature     octets `json:"statement_signature"`
	PostID        octets `json:"post_id"`
	Chain0        octets `json:"chain_0"`
	Chain1        octets `json:"chain_1"`
	File, Token   octets
	FileHash      octets `json:"file_hash"`
	TokenHash     octets `json:"token_hash"`
	DirectText    octets `json:"direct_text"`
	DirectData    octets `json:"direct_data"`
}

func memberKey(account *Account, hostID []byte) BlindedKey {
	return newBlindedKey(account.key("identity signing"), "essaim/member/v1", account.key("rooms"), hostID)
}

func TestMembersRequestsAndStatementsOfRooms(t *testing.T) {
	of := load[opengroupVectors](t, "opengroup")
	host, alice := newPlainKey(of.HostSeed), memberKey(NewAccount(of.AliceSeed), of.HostID)
	equal(t, "host", host.Public(), of.HostID)
	equal(t, "attestation", host.Sign(slices.Concat([]byte("essaim/opengroup/host/v1"), of.NodeID)), of.Attestation)
	equal(t, "member", alice.Public(), of.AliceMember)
	body := labelled("essaim/opengroup/body/v1", of.Body)
	text := slices.Concat([]byte("essaim/opengroup/request/v1"), of.HostID, named([]byte("Act")), u64(of.TimeMs), of.Nonce, body)
	equal(t, "request", alice.Sign(text), of.Authorization)
	label := "essaim/opengroup/statement/v1"
	equal(t, "statement", alice.Sign(append([]byte(label), of.Statement...)), of.Signature)
	equal(t, "post id", labelled(label, of.AliceMember, of.Statement), of.PostID)
	equal(t, "chain 0", labelled("essaim/opengroup/room/v1", of.HostID, of.RoomID), of.Chain0)
	equal(t, "chain 1", labelled("essaim/opengroup/chain/v1", of.Chain0, u64(1), u64(of.TimeMs), of.PostID), of.Chain1)
	equal(t, "file", labelled("essaim/opengroup/file/v1", of.File), of.FileHash)
	equal(t, "token", labelled("essaim/opengroup/token/v1", of.Token), of.TokenHash)
}

func TestDirectMessageToAMember(t *testing.T) {
	of := load[opengroupVectors](t, "opengroup")
	bob := NewAccount(of.BobSeed)
	digest := sha512.Sum512(bob.key("identity signing"))
	base, err := new(edwards25519.Scalar).SetBytesWithClamping(digest[:32])
	must(t, err)
	own := base.Multiply(base, factor("essaim/member/v1", bob.key("rooms"), of.HostID))
	equal(t, "member", new(edwards25519.Point).ScalarBaseMult(own).Bytes(), of.BobMember)
	parts := fields(of.DirectData, 1, 32)
	shared := slices.Concat(
		new(edwards25519.Point).ScalarMult(own, pointOf(t, parts[1])).Bytes(),
		new(edwards25519.Point).ScalarMult(own, pointOf(t, of.AliceMember)).Bytes(),
	)
	info := slices.Concat(parts[1], of.AliceMember, of.BobMember, of.HostID)
	key := derive(shared, []byte("essaim/opengroup/direct/v1"), info, 32)
	padded := unsealed(key, zeroNonce, parts[2], nil)
	if len(padded) == 0 || len(padded)%256 != 0 {
		t.Fatalf("%d bytes", len(padded))
	}
	equal(t, "text", padded[2:2+binary.BigEndian.Uint16(padded)], of.DirectText)
}
