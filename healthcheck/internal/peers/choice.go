package peers

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"
)

// maxPeers is how many peers are asked at most. More would change no decision.
const maxPeers = 20

// choose returns the addresses to ask: all, or the first 20 in the instance's own order.
func choose(ranked []string, out func(address string) bool) (chosen []string) {
	for _, a := range ranked {
		if len(chosen) == maxPeers {
			break
		}
		if !out(a) {
			chosen = append(chosen, a)
		}
	}
	slices.Sort(chosen)
	return chosen
}

// rank orders addresses by a hash of the instance and the address. So an instance always asks the same peers.
// With a new sample every time, decisions would flap near one half.
func rank(instance string, all []string) []string {
	type ranked struct {
		address string
		rank    uint64
	}
	ranks := make([]ranked, len(all))
	for n, a := range all {
		h := fnv.New64a()
		_, _ = h.Write([]byte(instance + "\x00" + a)) // never fails
		ranks[n] = ranked{a, mixed(h.Sum64())}
	}
	slices.SortFunc(ranks, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	ordered := make([]string, len(ranks))
	for n := range ranks {
		ordered[n] = ranks[n].address
	}
	return ordered
}

// mixed spreads the last bytes of a text over the whole hash, because addresses differ only in these.
func mixed(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// family returns the addresses of only one family, IPv4 or IPv6, because a pod with both has one vote.
func family(all []netip.Addr) (texts []string) {
	four := slices.ContainsFunc(all, func(a netip.Addr) bool { return a.Unmap().Is4() })
	for _, a := range all {
		if a = a.Unmap(); a.Is4() == four {
			texts = append(texts, a.String())
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}
