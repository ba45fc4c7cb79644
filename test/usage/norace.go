//go:build !race

package usage

const slow, large = 1, 1
