package essaim

// An account's public name: bech32m (BIP-350) of a version byte and the identity key (identity.md, 1).

import (
	"math/big"
	"strings"
)

const (
	bech32Digits  = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32mConst  = 0x2bc830a3
	accountPrefix = "esm"
	dataDigits    = 53 // 264 bits in groups of five, and one bit of padding
)

// WriteAccountID makes a name of an identity key.
func WriteAccountID(identity []byte) string {
	number := new(big.Int).SetBytes(append([]byte{1}, identity...))
	values := digitsOf(number.Lsh(number, 1), dataDigits)
	sum := checksum(append(values, make([]byte, 6)...)) ^ bech32mConst
	var made strings.Builder
	made.WriteString(accountPrefix + "1")
	for _, value := range append(values, digitsOf(big.NewInt(int64(sum)), 6)...) {
		made.WriteByte(bech32Digits[value])
	}
	return made.String()
}

// ReadAccountID gives the identity key.
func ReadAccountID(text string) ([]byte, error) {
	lower := strings.ToLower(text)
	oneCase := text == lower || text == strings.ToUpper(text)
	if !oneCase || len(text) != len(accountPrefix)+1+dataDigits+6 || !strings.HasPrefix(lower, accountPrefix+"1") {
		return nil, refuse("ACCOUNT_ID_REFUSED")
	}
	number, values := new(big.Int), []byte{}
	for index, digit := range lower[len(accountPrefix)+1:] {
		value := strings.IndexRune(bech32Digits, digit)
		if value < 0 {
			return nil, refuse("ACCOUNT_ID_REFUSED")
		}
		values = append(values, byte(value))
		if index < dataDigits {
			number.Add(number.Lsh(number, 5), big.NewInt(int64(value)))
		}
	}
	data := number.Rsh(number, 1).FillBytes(make([]byte, 33))
	padding := values[dataDigits-1] & 1
	good := checksum(values) == bech32mConst && padding == 0 && data[0] == 1 && isPublicKey(data[1:])
	return data[1:], unless(good, "ACCOUNT_ID_REFUSED")
}

// digitsOf a number in groups of five bits, the highest first.
func digitsOf(number *big.Int, count int) []byte {
	made := make([]byte, count)
	for index := range made {
		group := new(big.Int).Rsh(number, uint(5*(count-1-index)))
		made[index] = byte(group.And(group, big.NewInt(31)).Int64())
	}
	return made
}

// checksum is BIP-173's polymod over the expanded prefix and the data.
func checksum(values []byte) uint32 {
	expanded := []byte{}
	for _, letter := range []byte(accountPrefix) {
		expanded = append(expanded, letter>>5)
	}
	expanded = append(expanded, 0)
	for _, letter := range []byte(accountPrefix) {
		expanded = append(expanded, letter&31)
	}
	made := uint32(1)
	for _, value := range append(expanded, values...) {
		top := made >> 25
		made = made&0x1ffffff<<5 ^ uint32(value)
		for bit, generator := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			made ^= generator * (top >> bit & 1)
		}
	}
	return made
}
