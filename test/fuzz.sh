#!/bin/sh
# Runs every fuzz target of the module so many times, such as 3000x. (A time
# such as 5s works too; but a target that is at work when it runs out may be
# told to have failed: "context deadline exceeded".)
set -eu
cd "$(dirname "$0")/.."
time=${1:-3000x}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	grep -rhoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' | sort -u | while read -r target; do
		echo "fuzz $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "$dir" </dev/null
	done
done
