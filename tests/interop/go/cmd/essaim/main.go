// essaim STORE create NETWORK_FILE    a new account: its id and its 24 words
// essaim STORE show                   its id, the view, the one-time prekeys that are left
// essaim STORE send ID TEXT
// essaim STORE receive                what waits
// essaim STORE listen                 what waits, then what arrives, until it is ended
//
// The store's passphrase is ESSAIM_PASSPHRASE of the environment. One JSON object a line; failures are one sentence.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	essaim "essaim.example"
)

var errUsage = errors.New("STORE create NETWORK_FILE | show | send ID TEXT | receive | listen")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "essaim:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) < 2 {
		return errUsage
	}
	client, err := opened(arguments)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Connect(ctx); err != nil {
		return err
	}
	command, rest := arguments[1], arguments[2:]
	switch {
	case command == "create":
		show(map[string]any{"id": client.Account.ID(), "words": essaim.WritePhrase(client.Account.Seed)})
	case command == "show" && len(rest) == 0:
		view := client.Network.View()
		show(map[string]any{"id": client.Account.ID(), "view": hex.EncodeToString(view.Hash),
			"serial": view.Header.Serial, "nodes": len(view.Nodes), "prekeys": len(client.Device.OneTimePrekeys)})
	case command == "send" && len(rest) == 2:
		if err := client.Send(ctx, rest[0], rest[1]); err != nil {
			return err
		}
		show(map[string]any{"sent": true})
	case command == "receive" && len(rest) == 0:
		return client.Receive(ctx, func(message essaim.Message) { show(message) })
	case command == "listen" && len(rest) == 0:
		ready := sync.OnceFunc(func() { show(map[string]any{"listening": true}) })
		return client.Listen(ctx, ready, func(message essaim.Message) { show(message) })
	default:
		return errUsage
	}
	return nil
}

func opened(arguments []string) (*essaim.Client, error) {
	passphrase := os.Getenv("ESSAIM_PASSPHRASE")
	if passphrase == "" {
		return nil, errors.New("ESSAIM_PASSPHRASE is not set")
	}
	if arguments[1] != "create" {
		return essaim.Open(arguments[0], passphrase)
	}
	if len(arguments) != 3 {
		return nil, errUsage
	}
	data, err := os.ReadFile(arguments[2])
	if err != nil {
		return nil, err
	}
	var network essaim.NetworkFile
	if err := json.Unmarshal(data, &network); err != nil {
		return nil, errors.New("the network file is no JSON object of genesis and seeds")
	}
	return essaim.Create(arguments[0], passphrase, network)
}

func show(line any) {
	encoded, err := json.Marshal(line)
	if err != nil {
		panic(err) // lines are ours
	}
	fmt.Println(string(encoded))
}
