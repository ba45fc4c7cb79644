//go:build race

package usage

// With the race detector.
const slow, large = 10, 2
