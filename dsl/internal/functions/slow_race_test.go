//go:build race

package functions

const slow = 10 // times as long under the race detector
