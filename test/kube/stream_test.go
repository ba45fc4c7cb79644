package kube

import (
	"encoding/json"
	"os"
	"strings"
	"time"
)

// event is a line of kplan's stream of JSON.
type event struct {
	Type     string         `json:"type"`
	Time     time.Time      `json:"@timestamp"`
	Outcomes map[string]int `json:"outcomes"`
	Hook     struct {
		Resource struct {
			Addr string `json:"addr"`
			Host string `json:"host"`
		} `json:"resource"`
		Action  string `json:"action"`
		Outcome string `json:"outcome"`
	} `json:"hook"`
}

// events reads what --json-into wrote; of the last line perhaps only a part.
func (s *spec) events(name string) []event {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	var all []event
	for line := range strings.Lines(string(data)) {
		var e event
		if json.Unmarshal([]byte(line), &e) != nil && strings.HasSuffix(line, "\n") {
			s.t.Errorf("not JSON: %s", line)
		}
		all = append(all, e)
	}
	return all
}

// span is when the first of some steps began and when the last one ended: of those whose address has the part.
func span(all []event, part string) (begin, end time.Time) {
	for _, e := range all {
		if !strings.Contains(e.Hook.Resource.Addr, part) {
			continue
		}
		switch e.Type {
		case "apply_start":
			if begin.IsZero() {
				begin = e.Time
			}
		case "apply_complete":
			end = e.Time
		}
	}
	return begin, end
}

// outcomes counts the steps of a run by how they ended.
func outcomes(all []event) map[string]int {
	for _, e := range all {
		if e.Type == "run_complete" {
			return e.Outcomes
		}
	}
	return nil
}

// took is how long the steps whose address has the part took, side by side.
func took(all []event, part string) time.Duration {
	begin, end := span(all, part)
	return end.Sub(begin)
}
