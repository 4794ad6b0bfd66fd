package essaim

// An account: a seed, the keys that follow from it, its 24 words (identity.md, 1).

import (
	"strings"

	"github.com/tyler-smith/go-bip39"
	"golang.org/x/text/unicode/norm"
)

// Account is made of 32 random bytes.
type Account struct {
	Seed     []byte
	Identity []byte
	signer   PlainKey
}

// NewAccount derives the keys.
func NewAccount(seed []byte) *Account {
	made := &Account{Seed: seed}
	made.signer = newPlainKey(made.key("identity signing"))
	made.Identity = made.signer.Public()
	return made
}

func (account *Account) key(purpose string) []byte {
	return derive(account.Seed, []byte("essaim/account/v1"), []byte(purpose), 32)
}

func (account *Account) agreementPublic() []byte {
	return publicX25519(account.key("identity agreement"))
}

// Owner's keys of the two mailboxes that follow from the account ID.
func (account *Account) inboxKey() BlindedKey {
	return newBlindedKey(account.key("identity signing"), "essaim/public/v1", account.Identity)
}

func (account *Account) outboxKey() BlindedKey {
	return newBlindedKey(account.key("identity signing"), "essaim/outbox/v1", account.Identity)
}

// ID is the account's public name.
func (account *Account) ID() string { return WriteAccountID(account.Identity) }

// WritePhrase gives the 24 words that are the seed.
func WritePhrase(seed []byte) string {
	words, err := bip39.NewMnemonic(seed)
	if err != nil {
		panic(err) // seeds have 32 bytes
	}
	return words
}

// ReadPhrase gives the seed.
func ReadPhrase(text string) ([]byte, error) {
	words := strings.Fields(strings.ToLower(norm.NFKD.String(text)))
	if len(words) != 24 {
		return nil, refuse("PHRASE_LENGTH")
	}
	for _, word := range words {
		if _, known := bip39.GetWordIndex(word); !known {
			return nil, refuse("PHRASE_WORD")
		}
	}
	seed, err := bip39.EntropyFromMnemonic(strings.Join(words, " "))
	if err != nil {
		return nil, refuse("PHRASE_CHECKSUM")
	}
	return seed, nil
}
