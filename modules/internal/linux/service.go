package linux

import (
	"context"
	"slices"
	"strings"

	"github.com/kplan/kplan/modules/host"
	"github.com/kplan/kplan/modules/resource"
)

var service = resource.Define[Service]("service")

// Service is a unit of systemd: whether it starts at boot, runs now, or is
// masked.
//
// A unit that is not there yet is to be brought by a package or file before; a
// unit that is not there counts as neither enabled nor running, so that both
// may be false where it was never installed. A unit that cannot be enabled
// (static, generated, indirect) counts as it is wanted. One whose file stands
// in /etc/systemd/system cannot be masked. on_change restarts it, after systemd
// has read its files again. Removing the block forgets it; the
// unit stays as it is.
//
//	resource "service" "containerd" {
//	  on        = hosts
//	  name      = "containerd"
//	  enabled   = true
//	  running   = true
//	  on_change = [file.containerd_config]
//	}
type Service struct {
	Name    string `cty:"name" kplan:"id"` // of the unit; .service where it has no suffix
	Enabled *bool  `cty:"enabled"`         // starts at boot
	Running *bool  `cty:"running"`         // is active now
	Masked  *bool  `cty:"masked"`          // cannot be started at all
}

// Validate implements resource.Validator.
func (s Service) Validate(unknown func(string) bool) error {
	if !unknown("name") {
		if err := checkUnit("name", s.Name); err != nil {
			return err
		}
	}
	if is(s.Masked) && (is(s.Enabled) || is(s.Running)) {
		return &resource.FieldError{Field: "masked", Msg: "A masked unit cannot be enabled or running. Write masked = false, or set enabled and running to false."}
	}
	return nil
}

func (s Service) unit() string { return fullUnit(s.Name) }

// Claims implements resource.Claimer.
func (s Service) Claims() []string { return []string{"unit " + s.unit()} }

// Disrupts implements resource.Disrupter.
func (s Service) Disrupts(prior *Service) []string {
	if prior != nil && is(prior.Running) && s.Running != nil && !*s.Running {
		return []string{"stops " + s.unit()}
	}
	return nil
}

// Read makes one call; the properties are those of systemctl(1) and
// org.freedesktop.systemd1(5).
func (s Service) Read(ctx context.Context, h host.Host) (*Service, error) {
	out, err := host.Ask(ctx, h, "systemctl", "show", "--property=LoadState,ActiveState,SubState,UnitFileState", "--", s.unit())
	if err != nil {
		return nil, err
	}
	p := properties(string(out.Stdout))
	if p["LoadState"] == "not-found" && (is(s.Enabled) || is(s.Running)) {
		return nil, nil
	}
	enabled := p["UnitFileState"] == "enabled"
	if slices.Contains([]string{"static", "generated", "indirect", "transient"}, p["UnitFileState"]) {
		enabled = is(s.Enabled)
	}
	running := slices.Contains([]string{"active", "reloading", "refreshing"}, p["ActiveState"]) ||
		p["ActiveState"] == "activating" && p["SubState"] != "auto-restart"
	masked := p["LoadState"] == "masked" || strings.HasPrefix(p["UnitFileState"], "masked")
	return &Service{Name: s.Name, Enabled: &enabled, Running: &running, Masked: &masked}, nil
}

// Apply makes one call, and one more to start or stop the unit, which may take
// long. It stops before it masks.
func (s Service) Apply(ctx context.Context, h host.Host, prior *Service) error {
	if prior == nil {
		prior = &Service{}
	}
	ops := []host.Op{systemctl("daemon-reload")}
	unmask := s.Masked != nil && !*s.Masked && is(prior.Masked)
	if unmask {
		ops = append(ops, systemctl("unmask", "--", s.unit()))
	}
	if s.Enabled != nil && (*s.Enabled != is(prior.Enabled) || unmask) {
		act := systemctl(either(*s.Enabled, "enable", "disable"), "--", s.unit())
		act.AnyExit = unmask // nothing may be left behind the mask; reading back tells
		ops = append(ops, act)
	}
	if _, err := h.Do(ctx, ops...); err != nil {
		return err
	}
	if s.Running != nil && *s.Running != is(prior.Running) {
		act := systemctl(either(*s.Running, "start", "stop"), "--", s.unit())
		act.Detached = true
		if _, err := h.Do(ctx, act); err != nil {
			return err
		}
	}
	if is(s.Masked) && !is(prior.Masked) {
		_, err := h.Do(ctx, systemctl("mask", "--", s.unit()))
		return err
	}
	return nil
}

// RefreshWord implements resource.Refresher.
func (s Service) RefreshWord() string { return "restart" }

// Refresh restarts the unit; one that is not wanted running only if it runs,
// and a masked one not at all.
func (s Service) Refresh(ctx context.Context, h host.Host) error {
	if is(s.Masked) {
		return nil
	}
	if _, err := h.Do(ctx, systemctl("daemon-reload")); err != nil {
		return err
	}
	act := systemctl(either(is(s.Running), "restart", "try-restart"), "--", s.unit())
	act.Detached = true
	_, err := h.Do(ctx, act)
	return err
}
