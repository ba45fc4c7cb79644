package view

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/kplan/kplan/engine/event"
)

// Trace writes when each step of a run was under way, in the format of
// chrome://tracing and Perfetto: a process for each host, a lane in it for each
// of its steps that ran at once.
func Trace(w io.Writer, t *Tally) error {
	type entry struct {
		Name string         `json:"name"`
		Cat  string         `json:"cat,omitempty"`
		Ph   string         `json:"ph"`
		TS   int64          `json:"ts"` // microseconds
		Dur  int64          `json:"dur,omitempty"`
		PID  int            `json:"pid"`
		TID  int            `json:"tid"`
		Args map[string]any `json:"args,omitempty"`
	}
	slices.SortStableFunc(t.spans, func(a, b spanOf) int { return a.began.Compare(b.began) })
	var hosts []string
	for _, s := range t.spans {
		if !slices.Contains(hosts, s.end.Addr.Host) {
			hosts = append(hosts, s.end.Addr.Host)
		}
	}
	slices.Sort(hosts)
	entries := []entry{}
	for i, h := range hosts {
		entries = append(entries, entry{Name: "process_name", Ph: "M", PID: i + 1, Args: map[string]any{"name": h}})
		var lanes []time.Time // when each is free
		for _, s := range t.spans {
			if s.end.Addr.Host != h {
				continue
			}
			lane := slices.IndexFunc(lanes, func(free time.Time) bool { return !free.After(s.began) })
			if lane < 0 {
				lane = len(lanes)
				lanes = append(lanes, time.Time{})
			}
			lanes[lane] = s.ended
			entries = append(entries, entry{
				Name: here(s.end.Addr), Cat: s.end.Action, Ph: "X", PID: i + 1, TID: lane + 1,
				TS: s.began.Sub(t.first).Microseconds(), Dur: max(1, s.ended.Sub(s.began).Microseconds()),
				Args: map[string]any{"outcome": string(s.end.Outcome), "step": s.end.Step},
			})
		}
	}
	return json.NewEncoder(w).Encode(map[string]any{"traceEvents": entries, "displayTimeUnit": "ms"})
}

// spanOf is when a step was under way.
type spanOf struct {
	began, ended time.Time
	end          event.StepEnded
}
