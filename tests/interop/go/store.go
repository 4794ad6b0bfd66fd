package essaim

// What a client keeps, in one file: encrypted under a passphrase, replaced as a whole, open in one process.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// State of a client. Maps go by the other side's identity key, in hexadecimal.
type State struct {
	Network       NetworkFile
	Seed          []byte
	Device        DeviceState
	View          []byte
	Guards        []Guard
	Published     bool
	Conversations map[string]*Conversation
	// The newest manifest seen of an account: nothing older is believed.
	Pins map[string]*Pin
	// Sealed and not yet acknowledged: the same bytes are stored until they are.
	Outgoing []Outgoing
	// Ids of envelopes that were dealt with.
	Dealt [][]byte
}

// Outgoing envelope.
type Outgoing struct {
	Identity  []byte
	Slot      int
	ExpiresMs uint64
	Data      []byte
}

// Store is one file.
type Store struct {
	State
	file      string
	salt, key []byte
	lock      *os.File
}

func createStore(file, passphrase string, state State) (*Store, error) {
	lock, err := lockFile(file)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file); err == nil {
		return nil, refuse("STORE_EXISTS")
	}
	salt := random(16)
	made := &Store{state, file, salt, storeKey(passphrase, salt), lock}
	return made, made.save()
}

func openStore(file, passphrase string) (*Store, error) {
	lock, err := lockFile(file)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) < 16 {
		return nil, refuse("NO_STORE")
	}
	made := &Store{file: file, salt: data[:16], key: storeKey(passphrase, data[:16]), lock: lock}
	plain := openExtended(made.key, data[16:], nil)
	if plain == nil || json.Unmarshal(plain, &made.State) != nil {
		return nil, refuse("WRONG_PASSPHRASE")
	}
	return made, nil
}

// save returns when it is on the disk.
func (store *Store) save() error {
	plain, err := json.Marshal(store.State)
	if err != nil {
		return err
	}
	next, err := os.OpenFile(store.file+".next", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, written := next.Write(slices.Concat(store.salt, sealExtended(store.key, random(24), plain, nil)))
	if err := firstOf(written, next.Sync(), next.Close(), os.Rename(next.Name(), store.file)); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(store.file))
	if err != nil {
		return err
	}
	return firstOf(folder.Sync(), folder.Close())
}

func (store *Store) close() { store.lock.Close() }

// lockFile: two processes would use the same message keys for different messages. The lock ends with the process.
func lockFile(file string) (*os.File, error) {
	lock, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, refuse("NO_STORE")
	}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		lock.Close()
		return nil, refuse("STORE_IN_USE")
	}
	return lock, nil
}

func storeKey(passphrase string, salt []byte) []byte {
	return argon2.IDKey([]byte(norm.NFKD.String(passphrase)), salt, 3, 64*1024, 1, 32)
}
