//go:build !race

package functions

const slow = 1
