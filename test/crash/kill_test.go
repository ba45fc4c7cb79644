package crash_test

import (
	"testing"
	"time"

	"github.com/kplan/kplan/test/crash"
	"github.com/kplan/kplan/test/site"
)

func TestMain(m *testing.M) { site.Main(m) }

func TestKill(t *testing.T) {
	s := site.New(t, crash.Spec)
	p := crash.Place{Program: &s.Program, On: s.On, Pause: 200 * time.Millisecond, First: 1500 * time.Millisecond}
	for _, m := range s.Lab.Machines() {
		p.Machines = append(p.Machines, m.Name)
	}
	kills := 10
	if crash.Full {
		kills, p.Pause = 30, 600*time.Millisecond // longer than the next run takes to come
	}
	crash.Kill(t, p, kills)
}
