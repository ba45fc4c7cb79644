package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/kplan/kplan/dsl/addr"
	"github.com/kplan/kplan/engine/event"
)

// doing is what a running step is said to do; word is that of a refresh.
func doing(action, word string) string {
	if action == "refresh" && word != "" {
		return stem(word) + "ing"
	}
	switch action {
	case "create":
		return "creating"
	case "update":
		return "modifying"
	case "refresh":
		return "refreshing"
	case "replace":
		return "replacing"
	case "delete":
		return "destroying"
	case "forget":
		return "forgetting"
	}
	return "working"
}

// did is what a step that is done has done; word is that of a refresh.
func did(action, word string) string {
	if action == "refresh" && word != "" {
		return stem(word) + "ed"
	}
	switch action {
	case "create":
		return "created"
	case "update":
		return "modified"
	case "refresh":
		return "refreshed"
	case "replace":
		return "replaced"
	case "delete":
		return "destroyed"
	case "forget":
		return "forgotten"
	}
	return "done"
}

// stem is a verb without the e that its forms drop: restart, reload, update.
func stem(verb string) string { return strings.TrimSuffix(verb, "e") }

// ended says how a step ended, in a few words.
func ended(e event.StepEnded) string {
	switch e.Outcome {
	case event.Done:
		return did(e.Action, e.Word)
	case event.Already:
		return "already as planned"
	case event.NotNeeded:
		return "not needed"
	case event.Adopted:
		return did(e.Action, e.Word) + " by the interrupted run before"
	}
	return string(e.Outcome)
}

// Reason parts why a host failed from what to do about it, where that is said.
func Reason(text string) (why, hint string) {
	why, hint, _ = strings.Cut(text, ". ")
	return why, hint
}

// styleOfOutcome is how an outcome is coloured.
func styleOfOutcome(o event.Outcome) style {
	switch o {
	case event.Done, event.Adopted:
		return green
	case event.Already, event.NotNeeded:
		return dim
	case event.Failed, event.Stale:
		return red
	}
	return yellow
}

// fulfilled reports whether an outcome is as the plan asked.
func fulfilled(o event.Outcome) bool {
	return o == event.Done || o == event.Already || o == event.NotNeeded || o == event.Adopted
}

// here is an address without its host.
func here(a addr.Instance) string { return a.Resource.String() + a.Key.String() }

// span writes a duration as people read it: 1.2s, 42s, 3m10s.
func span(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}
