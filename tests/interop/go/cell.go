package essaim

// A request under three layers of relays and one of the destination (onion.md, 3 and 4).

import (
	"crypto/subtle"
	"slices"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/poly1305"
)

// cellSizes by class.
var cellSizes = [3]int{16384, 65536, 262144}

type cellSpec struct {
	suite, cellClass, replyClass int
}

const (
	relayCommand   = 1
	deliverCommand = 2
	tagSize        = 16
)

var (
	zeroNonce = make([]byte, 12)
	bodyNonce = append(make([]byte, 11), 1)
)

// geometry: K, slot and B of onion.md, 1, and the header's length.
func geometry(suite int) (kem, slot, beta, header int) {
	kem = 32
	if suite == hybridSuite {
		kem = 1120
	}
	slot = 64 + kem + tagSize
	beta = 3*slot + 64
	return kem, slot, beta, 8 + kem + beta + tagSize
}

// room for the innermost payload.
func room(suite, class int) int {
	_, _, _, header := geometry(suite)
	return cellSizes[class] - header - 16 - 4
}

func streamed(key, nonce, data []byte) []byte {
	cipher, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		panic(err) // lengths are constants
	}
	made := make([]byte, len(data))
	cipher.XORKeyStream(made, data)
	return made
}

func sealed(key, nonce, plain, associated []byte) []byte {
	cipher, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err) // lengths are constants
	}
	return cipher.Seal(nil, nonce, plain, associated)
}

// unsealed is nil where the key does not open it.
func unsealed(key, nonce, box, associated []byte) []byte {
	cipher, err := chacha20poly1305.New(key)
	if err != nil {
		panic(err) // lengths are constants
	}
	plain, err := cipher.Open([]byte{}, nonce, box, associated)
	if err != nil {
		return nil
	}
	return plain
}

type layer struct {
	hop                *Hop
	prefix, ciphertext []byte
	keys               *hopKeys
}

// wrap makes the cell for the first hop, and the keys of all hops, by which replies are opened.
func wrap(path []*Hop, payload []byte, spec cellSpec, minute uint32, random func(int) []byte) ([]byte, []*hopKeys, error) {
	layers, keys := make([]layer, len(path)), make([]*hopKeys, len(path))
	for index, hop := range path {
		made, err := newLayer(hop, spec, random(32))
		if err != nil {
			return nil, nil, err
		}
		layers[index], keys[index] = made, made.keys
	}
	_, slot, size, header := geometry(spec.suite)
	last := layers[len(layers)-1]
	end := filler(layers[:len(layers)-1], size, slot)
	plain := slices.Concat(routing(deliverCommand, minute, nil), random(size-64-len(end)))
	beta := append(streamed(last.keys.stream, zeroNonce, plain), end...)
	padded, err := pad(payload, cellSizes[spec.cellClass]-header-tagSize)
	if err != nil {
		return nil, nil, err
	}
	body := sealed(last.keys.payload, zeroNonce, padded, nil)
	gamma := last.mac(beta, body)
	for index := len(layers) - 2; index >= 0; index-- {
		this, next := layers[index], layers[index+1]
		plain := slices.Concat(routing(relayCommand, minute, next.hop), next.ciphertext, gamma, beta[:size-slot])
		beta = streamed(this.keys.stream, zeroNonce, plain)
		body = streamed(this.keys.stream, bodyNonce, body)
		gamma = this.mac(beta, body)
	}
	return slices.Concat(layers[0].prefix, layers[0].ciphertext, beta, gamma, body), keys, nil
}

func newLayer(hop *Hop, spec cellSpec, ephemeral []byte) (layer, error) {
	prefix := append([]byte{1, byte(spec.suite), byte(spec.cellClass), byte(spec.replyClass)}, hop.keyID()...)
	ciphertext, shared, err := hop.encapsulate(spec.suite, ephemeral)
	if err != nil {
		return layer{}, err
	}
	return layer{hop, prefix, ciphertext, hop.schedule(spec.suite, ciphertext, shared, prefix)}, nil
}

// filler is what the relays' shifts leave behind each other at the end of beta.
func filler(relays []layer, size, slot int) []byte {
	var made []byte
	for _, each := range relays {
		stream := streamed(each.keys.stream, zeroNonce, make([]byte, size+slot))
		made = append(made, make([]byte, slot)...)
		subtle.XORBytes(made, made, stream[size+slot-len(made):])
	}
	return made
}

func routing(command int, minute uint32, next *Hop) []byte {
	nodeID, keyID := make([]byte, 32), make([]byte, 4)
	if next != nil {
		nodeID, keyID = next.NodeID, next.keyID()
	}
	return slices.Concat(u8(command), u8(0), nodeID, u16(0), u32(minute), keyID, make([]byte, 20))
}

func (of layer) mac(beta, body []byte) []byte {
	var tag [tagSize]byte
	poly1305.Sum(&tag, slices.Concat(of.prefix, of.ciphertext, beta, body), (*[32]byte)(of.keys.mac))
	return tag[:]
}
