package essaim

// libsodium's crypto_secretstream_xchacha20poly1305, from its documentation: attachments.md, 2; messaging.md, 8; export.md, 1.

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/poly1305"
)

const (
	streamMessage = 0
	streamFinal   = 3
)

// Stream is the state of one side; a rekey is not spoken here.
type Stream struct{ key, nonce []byte }

func newStream(key, header []byte) *Stream {
	subkey, err := chacha20.HChaCha20(key, header[:16])
	if err != nil {
		panic(err) // lengths are constants
	}
	return &Stream{subkey, slices.Concat([]byte{1, 0, 0, 0}, header[16:24])}
}

func (stream *Stream) apply(counter uint32, text []byte) []byte {
	cipher, err := chacha20.NewUnauthenticatedCipher(stream.key, stream.nonce)
	if err != nil {
		panic(err) // lengths are constants
	}
	cipher.SetCounter(counter)
	made := make([]byte, len(text))
	cipher.XORKeyStream(made, text)
	return made
}

// authenticate gives the box's MAC and moves the state on. The zeros behind the ciphertext are as many as its length mod
// 16: so libsodium counts.
func (stream *Stream) authenticate(block, ciphertext, associated []byte) []byte {
	var sum [16]byte
	lengths := binary.LittleEndian.AppendUint64(nil, uint64(len(associated)))
	lengths = binary.LittleEndian.AppendUint64(lengths, uint64(64+len(ciphertext)))
	zeros := make([]byte, 16)
	text := slices.Concat(associated, zeros[:-len(associated)&15], block, ciphertext, zeros[:len(ciphertext)&15], lengths)
	poly1305.Sum(&sum, text, (*[32]byte)(stream.apply(0, make([]byte, 32))))
	return sum[:]
}

func (stream *Stream) advance(sum []byte) {
	subtle.XORBytes(stream.nonce[4:], stream.nonce[4:], sum[:8])
	binary.LittleEndian.PutUint32(stream.nonce, binary.LittleEndian.Uint32(stream.nonce)+1)
}

func (stream *Stream) push(tag byte, plain, associated []byte) []byte {
	block := stream.apply(1, append([]byte{tag}, make([]byte, 63)...))
	ciphertext := stream.apply(2, plain)
	sum := stream.authenticate(block, ciphertext, associated)
	stream.advance(sum)
	return slices.Concat(block[:1], ciphertext, sum)
}

func (stream *Stream) pull(box, associated []byte) (tag byte, plain []byte, err error) {
	if len(box) < 17 {
		return 0, nil, refuse("MALFORMED")
	}
	ciphertext, sum := box[1:len(box)-16], box[len(box)-16:]
	block := stream.apply(1, append([]byte{box[0]}, make([]byte, 63)...))
	tag, block[0] = block[0], box[0]
	if subtle.ConstantTimeCompare(sum, stream.authenticate(block, ciphertext, associated)) != 1 {
		return 0, nil, refuse("MALFORMED")
	}
	plain = stream.apply(2, ciphertext)
	stream.advance(sum)
	return tag, plain, nil
}
