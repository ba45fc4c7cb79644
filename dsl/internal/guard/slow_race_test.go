//go:build race

package guard

const slow = 10 // times as long under the race detector
