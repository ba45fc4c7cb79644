package plans

import (
	"crypto/sha256"
)

// Group puts together changes that are the same but for their host: of one
// address apart from it, with equal action, reason and objects. Groups come in
// the order of their first change, and keep the order within.
func Group(changes []Change) [][]Change {
	var groups [][]Change
	places := map[[sha256.Size]byte]int{}
	for _, c := range changes {
		apart := c
		apart.Addr.Host, apart.Step = "", 0
		data, err := encodeContent(Content{Changes: []Change{apart}})
		if err != nil {
			groups = append(groups, []Change{c}) // like no other
			continue
		}
		key := sha256.Sum256(data)
		i, ok := places[key]
		if !ok {
			i = len(groups)
			places[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}
