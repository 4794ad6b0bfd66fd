package essaim

// First contact, the clock, and the newest view, asked of seeds and guards directly (client.md, 1 and 2).

import (
	"context"
	"sync"
	"time"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

const patience = 10 * time.Second

// NetworkFile is what a user is given: whom to trust, and where to ask first.
type NetworkFile struct {
	Genesis []byte   `json:"genesis"`
	Seeds   []string `json:"seeds"`
}

// Network is what one knows of it.
type Network struct {
	Guards      []Guard
	clock       Clock
	connections Connections
	file        NetworkFile
	keeper      ViewKeeper
}

// NewNetwork takes the view that was held, also when it has expired: it bars what is older.
func NewNetwork(file NetworkFile, held []byte, guards []Guard) (*Network, error) {
	genesis, err := readGenesis(file.Genesis)
	if err != nil {
		return nil, err
	}
	made := &Network{Guards: guards, file: file, keeper: ViewKeeper{Genesis: genesis}}
	if held != nil {
		err = made.keeper.Accept(held, 0)
	}
	return made, err
}

// View is the newest that was accepted.
func (network *Network) View() *View { return network.keeper.Held }

// Refresh asks three guards and, where none answers, the seeds, for their clocks and for what is newer.
func (network *Network) Refresh(ctx context.Context) error {
	var guards, seeds []Peer
	for _, guard := range network.Guards {
		if node := network.node(guard.NodeID); node != nil && len(guards) < 3 {
			guards = append(guards, Peer{node.Address, node.Certificates})
		}
	}
	for _, address := range network.file.Seeds {
		seeds = append(seeds, Peer{address, network.keeper.Genesis.DiscoveryCertificates})
	}
	answered, err := network.askAll(ctx, guards)
	if err == nil && !answered {
		answered, err = network.askAll(ctx, seeds)
	}
	if err := firstOf(err, unless(answered, "NO_VIEW")); err != nil {
		return err
	}
	network.clock.notBeforeMs = network.View().Header.ValidFromMs
	now := network.clock.NowMs()
	network.Guards = renewGuards(network.Guards, network.View(), now)
	return unless(now < network.View().Header.ValidUntilMs, "EXPIRED")
}

func (network *Network) node(id []byte) *Node {
	if network.View() == nil {
		return nil
	}
	return network.View().Nodes[string(id)]
}

type viewAnswer struct {
	encoded  []byte
	offsetMs int64
	err      error
}

// askAll says whether one of them answered with a view; its refusal, if that is all that came.
func (network *Network) askAll(ctx context.Context, peers []Peer) (bool, error) {
	asked := make([]viewAnswer, len(peers))
	var all sync.WaitGroup
	for index, peer := range peers {
		all.Go(func() { asked[index] = network.getView(ctx, peer) })
	}
	all.Wait()
	var offsets []int64
	for _, each := range asked {
		if each.err == nil {
			offsets = append(offsets, each.offsetMs)
		}
	}
	network.clock.correct(offsets)
	answered, refused := false, error(nil)
	for _, each := range asked {
		if each.err != nil {
			continue
		} else if err := network.keeper.Accept(each.encoded, network.clock.NowMs()); err != nil {
			refused = err
		} else {
			answered = true
		}
	}
	if answered {
		return true, nil
	}
	return false, refused
}

func (network *Network) getView(ctx context.Context, peer Peer) viewAnswer {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := network.connections.to(peer)
	if err != nil {
		return viewAnswer{err: err}
	}
	question := &viewv1.GetViewRequest{}
	if held := network.View(); held != nil {
		question.Epoch, question.Serial = held.Header.Epoch, held.Header.Serial
	}
	began := time.Now()
	stream, err := viewv1.NewViewServiceClient(connection).GetView(ctx, question)
	answer := viewAnswer{err: err}
	for first, ended := true, err != nil; !ended; first = false {
		message, err := stream.Recv()
		if err != nil {
			return viewAnswer{err: err}
		}
		if first {
			middle := (began.UnixMilli() + time.Now().UnixMilli()) / 2
			answer.offsetMs = int64(message.NodeTimeMs) - middle
		}
		answer.encoded, ended = append(answer.encoded, message.Chunk...), message.Last
	}
	return answer
}
