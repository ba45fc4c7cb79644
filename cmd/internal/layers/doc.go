// Package layers keeps the architecture: its test says which package may import
// which, and what else the compiler does not check. It knows the packages of
// this module and nothing of what they do.
package layers
