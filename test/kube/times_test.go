package kube

import (
	"fmt"
	"io"
	"time"
)

// times tells how long stages take.
type times struct {
	out         io.Writer
	start, last time.Time
}

func begin(out io.Writer) times {
	now := time.Now()
	return times{out, now, now}
}

// stage tells how long it took to come here: from the start, and from the stage before.
func (t *times) stage(what string) { t.stageAt(time.Now(), what) }

func (t *times) stageAt(now time.Time, what string) {
	fmt.Fprintf(t.out, "%6.1f s %+6.1f s  %s\n", now.Sub(t.start).Seconds(), now.Sub(t.last).Seconds(), what)
	t.last = now
}

// took is how long it took to the last stage.
func (t *times) took() time.Duration { return t.last.Sub(t.start) }
