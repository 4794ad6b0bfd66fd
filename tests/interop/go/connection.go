package essaim

// gRPC over TLS 1.3 to nodes that are known by their certificates alone (link.md, 1 and 7).

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

const maxMessage = 264192

// Peer is whom one connects to; certificates in DER.
type Peer struct {
	Address      string
	Certificates [][]byte
}

// Connections has one for each node that is spoken to.
type Connections struct {
	lock  sync.Mutex
	known map[string]*grpc.ClientConn
}

func (connections *Connections) to(peer Peer) (*grpc.ClientConn, error) {
	connections.lock.Lock()
	defer connections.lock.Unlock()
	name := peer.Address
	roots := x509.NewCertPool()
	for _, der := range peer.Certificates {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, refuse("MALFORMED")
		}
		roots.AddCert(certificate)
		name += string(der)
	}
	if known := connections.known[name]; known != nil {
		return known, nil
	}
	trust := credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "essaim", MinVersion: tls.VersionTLS13})
	made, err := grpc.NewClient("passthrough:///"+peer.Address,
		grpc.WithTransportCredentials(trust), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithAuthority("essaim"), grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return nil, refuse("UNREACHABLE")
	}
	if connections.known == nil {
		connections.known = map[string]*grpc.ClientConn{}
	}
	connections.known[name] = made
	return made, nil
}

func (connections *Connections) close() {
	for _, each := range connections.known {
		each.Close()
	}
}

// directly says what a status of a direct call means.
func directly(err error) error {
	var refused *Refused
	if err == nil || errors.As(err, &refused) {
		return err
	}
	known := status.Convert(err)
	for _, detail := range known.Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is {
			return &Refused{info.Reason, guard, info.Metadata}
		}
	}
	if known.Code() == codes.DeadlineExceeded {
		return &Refused{Reason: "TIMEOUT", Hop: guard}
	}
	return &Refused{Reason: "UNREACHABLE", Hop: guard}
}

// answered is the refusal in a message, of the destination.
func answered(given *statuspb.Status) error {
	if given.GetCode() == int32(codes.OK) {
		return nil
	}
	for _, detail := range given.Details {
		info := &errdetails.ErrorInfo{}
		if detail.UnmarshalTo(info) == nil {
			return &Refused{info.Reason, destination, info.Metadata}
		}
	}
	return refuse("UNKNOWN")
}
