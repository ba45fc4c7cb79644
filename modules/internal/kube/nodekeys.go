package kube

import "slices"

// This file is which of a node's keys are managed.

// among is what a node has of the keys that are wanted or that kplan set; nil
// where they are not managed.
func among(have, want map[string]string, set []string) map[string]string {
	if want == nil {
		return nil
	}
	found := map[string]string{}
	for key, value := range have {
		if _, wanted := want[key]; wanted || slices.Contains(set, key) {
			found[key] = value
		}
	}
	return found
}

// laid is the patch that sets what is wanted and takes away what is set and
// wanted no more; where it is not managed nothing is.
func laid(want map[string]string, set []string) map[string]*string {
	p := map[string]*string{}
	if want == nil {
		return p
	}
	for _, key := range set {
		p[key] = nil
	}
	for key, value := range want {
		p[key] = &value
	}
	return p
}

// taken is the patch that takes away what is recorded and what is set.
func taken(recorded map[string]string, set []string) map[string]*string {
	p := laid(map[string]string{}, set)
	for key := range recorded {
		p[key] = nil
	}
	return p
}

// place is where s stands in list, and behind it if it does not.
func place(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list)
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
