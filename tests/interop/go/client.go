package essaim

// An account on a network: what it keeps, and what it leaves in its outbox (client.md, 1 and 7).

import (
	"context"
	"encoding/hex"
	"time"

	storagev1 "essaim.example/gen/essaim/storage/v1"
)

const (
	minuteMs       = 60_000
	oneTimePrekeys = 20
)

// Client of an account. Inbox is read by the device's slot key, which the account's key names.
type Client struct {
	Account *Account
	Network *Network
	Device  *Device
	Store   *Store
	inbox   *Mailbox
}

// Create an account with a new store.
func Create(file, passphrase string, network NetworkFile) (*Client, error) {
	account := NewAccount(random(32))
	device := newDevice(account, uint64(time.Now().UnixMilli()))
	store, err := createStore(file, passphrase, State{Network: network, Seed: account.Seed, Device: device,
		Conversations: map[string]*Conversation{}, Pins: map[string]*Pin{}})
	if err != nil {
		return nil, err
	}
	return newClient(store)
}

// Open a store.
func Open(file, passphrase string) (*Client, error) {
	store, err := openStore(file, passphrase)
	if err != nil {
		return nil, err
	}
	return newClient(store)
}

func newClient(store *Store) (*Client, error) {
	account := NewAccount(store.Seed)
	network, err := NewNetwork(store.State.Network, store.View, store.Guards)
	if err != nil {
		return nil, err
	}
	device, err := openDevice(account, &store.State.Device)
	if err != nil {
		return nil, err
	}
	inbox, err := publicInbox(account.Identity)
	if err != nil {
		return nil, err
	}
	key := device.slotKey(inbox.ID)
	record := inbox.slotRecordOf(account.inboxKey(), device.Listed.Slot, key.Public(), device.listedMs)
	return &Client{account, network, device, store, inbox.signedBy(key, record)}, nil
}

// Connect fetches the newest view, publishes and stores what is still to be.
func (client *Client) Connect(ctx context.Context) error {
	if err := client.Network.Refresh(ctx); err != nil {
		return err
	}
	client.Store.View, client.Store.Guards = client.Network.View().encoded(), client.Network.Guards
	if err := client.Store.save(); err != nil {
		return err
	}
	if !client.Store.Published {
		if err := client.publish(ctx); err != nil {
			return err
		}
	}
	return client.flush(ctx)
}

// Close gives the store free.
func (client *Client) Close() {
	client.Network.connections.close()
	client.Store.close()
}

func (client *Client) conversation(identity []byte) *Conversation {
	name := hex.EncodeToString(identity)
	if client.Store.Conversations[name] == nil {
		client.Store.Conversations[name] = &Conversation{}
	}
	return client.Store.Conversations[name]
}

func (client *Client) publish(ctx context.Context) error {
	own, err := outbox(client.Account.Identity)
	if err != nil {
		return err
	}
	own = own.signedBy(client.Account.outboxKey(), nil)
	now, network := client.Network.clock.NowMs(), client.Network
	entries, err := client.Device.entries()
	if err != nil {
		return err
	}
	for name, data := range entries {
		entry := &storagev1.NewEnvelope{Slot: []byte(name), ExpiresMs: now + 399*dayMs, Data: data, Version: now}
		if err := network.store(ctx, own, entry); err != nil {
			return err
		}
	}
	for _, node := range network.members(own) {
		id := node.NodeStatus.NodeId
		prekeys := client.Device.newOneTimePrekeys(id, oneTimePrekeys)
		if err := client.Store.save(); err != nil { // private parts first
			return err
		}
		request := own.publishPrekeys(client.Device.slot(), id, now, prekeys, network.clock.NowMs())
		reply := &storagev1.PublishPrekeysResponse{}
		if err := network.ask(ctx, node, "PublishPrekeys", request, reply, 0); err != nil {
			return err
		}
	}
	client.Store.Published = true
	return client.Store.save()
}
