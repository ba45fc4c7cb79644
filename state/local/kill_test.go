package local

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/kplan/kplan/state"
	"github.com/kplan/kplan/state/backendtest"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("KPLAN_TEST_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

// victim records until it is killed, and says what is durable.
func victim(dir string) {
	ctx := context.Background()
	l, err := New(dir, "1.0.0").Lock(ctx, 0, state.Holder{})
	if err != nil {
		fmt.Println(err)
		return
	}
	id := fmt.Sprintf("r%d", l.Snapshot().Epoch)
	for round := 0; ; round++ {
		run := fmt.Sprintf("%s.%d", id, round)
		j, err := l.Begin(ctx, run, "d", 64)
		if err != nil {
			fmt.Println(err)
			return
		}
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 8 {
					n := int(l.Snapshot().Epoch)*100000 + round*64 + w*8 + i
					if j.Intent(ctx, backendtest.Intent(run, n)) == nil && j.Result(ctx, backendtest.Result(run, n)) == nil {
						fmt.Println("durable", n)
					}
				}
			})
		}
		wg.Wait()
		if err := j.End(ctx, true, nil); err != nil {
			fmt.Println(err)
			return
		}
	}
}

// TestKilled kills a process with SIGKILL at random moments: nothing that it
// said was durable is lost, and the next process gets the lock at once.
func TestKilled(t *testing.T) {
	kills := 60
	if testing.Short() {
		kills = 5
	}
	b, _ := fresh(t)
	durable := map[int]bool{}
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "KPLAN_TEST_VICTIM="+b.parent)
		out, err := cmd.StdoutPipe()
		ok(t, err)
		ok(t, cmd.Start())
		time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "durable %d", &n); err != nil {
				t.Fatal(lines.Text())
			}
			durable[n] = true
		}
		_ = cmd.Wait()
	}
	l := locked(t, b)
	s := l.Snapshot()
	for n := range durable {
		if _, ok := s.Objects[backendtest.Address(n)]; !ok {
			t.Errorf("the result of %d is lost", n)
		}
	}
	t.Logf("%d kills, %d results durable, %d recorded, serial %d, epoch %d", kills, len(durable), len(s.Objects), s.Serial, s.Epoch)
	ok(t, l.Release())
}
