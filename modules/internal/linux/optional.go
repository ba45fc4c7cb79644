package linux

// or is the first that is not null, or fallback.
func or(fallback string, values ...*string) string {
	for _, v := range values {
		if v != nil {
			return *v
		}
	}
	return fallback
}

// is tells whether b is set and true.
func is(b *bool) bool { return b != nil && *b }

// either is one of two words.
func either(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
