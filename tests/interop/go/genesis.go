package essaim

// What one must be given to begin with: authorities, parameters, discovery's certificates (view.md, "Genesis").

import (
	"slices"

	"google.golang.org/protobuf/proto"

	viewv1 "essaim.example/gen/essaim/view/v1"
)

// Genesis is verified.
type Genesis struct {
	*viewv1.Genesis
	NetworkID []byte
}

func readGenesis(file []byte) (*Genesis, error) {
	var signed viewv1.SignedGenesis
	genesis := &viewv1.Genesis{}
	if proto.Unmarshal(file, &signed) != nil || proto.Unmarshal(signed.Genesis, genesis) != nil {
		return nil, refuse("MALFORMED")
	}
	seen := map[string]bool{}
	for _, key := range genesis.Authorities {
		if seen[string(key)] || len(key) != 32 || !isPublicKey(key) {
			return nil, refuse("MALFORMED")
		}
		seen[string(key)] = true
	}
	if len(seen) < 1 || len(seen) > 100 {
		return nil, refuse("MALFORMED")
	}
	if err := checkParameters(genesis.Parameters); err != nil {
		return nil, err
	}
	for index, key := range genesis.Authorities {
		found := slices.IndexFunc(signed.Signatures, func(each *viewv1.AuthoritySignature) bool {
			return int(each.Authority) == index &&
				signedBy(key, each.Signature, "essaim/genesis-signature/v1", signed.Genesis)
		})
		if found < 0 {
			return nil, refuse("BAD_SIGNATURE")
		}
	}
	return &Genesis{genesis, labelled("essaim/genesis/v1", signed.Genesis)}, nil
}

func checkParameters(given *viewv1.Parameters) error {
	swarms := 0 < given.GetSwarmMin() && given.SwarmMin <= given.SwarmTarget && given.SwarmTarget <= given.SwarmMax &&
		2*uint64(given.SwarmMin) <= uint64(given.SwarmMax)+1
	periods := 0 < given.GetX25519PeriodSeconds() && given.X25519PeriodSeconds <= given.KemPeriodSeconds
	suites := slices.Contains(given.GetSuites(), 1) || slices.Contains(given.GetSuites(), 2)
	uptimes := 0 < given.GetUptimeSeconds() && given.UptimeSeconds < given.AwaySeconds && given.AwaySeconds < given.DropSeconds
	ages := 0 < given.GetFreshSeconds() && given.FreshSeconds < given.ValidSeconds &&
		0 < given.ViewMinIntervalMs && uint64(given.ViewMinIntervalMs) <= 1000*uint64(given.FreshSeconds)
	return unless(swarms && periods && suites && uptimes && ages, "MALFORMED")
}

// threshold says how many of the authorities must have signed a view.
func threshold(authorities int) int { return 2*authorities/3 + 1 }
