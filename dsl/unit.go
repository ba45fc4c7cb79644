package dsl

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// unit is what is secret or not as a whole: an expression, or a member of one.
type unit struct {
	member // without expr where it is the whole expression
	users  []use
	parts  bool // its value can be one whose parts are told apart
	secret bool // only ever used as a sensitive value
	// doubtful: it is not secret, but a part of it may well be one.
	doubtful bool
}

// use is a reference to a unit, out of another.
type use struct {
	by *unit
	// around: the reference is to what the unit is in, and so perhaps to other
	// members alone.
	around bool
}

// maxUnits bounds the members that are looked at for themselves. What has more
// is data, and not put together out of values with names.
const maxUnits = 1000

// secrets is the units of all expressions.
type secrets map[*expr][]*unit

// split makes the members of a local value its units.
func (s secrets) split(e *expr) {
	var units []*unit
	for _, m := range membersOf(e.Expression) {
		units = append(units, &unit{member: m, parts: parts(m.expr)})
	}
	if len(units) <= maxUnits {
		s[e] = units
	}
}

// around is the unit of e that a range is in.
func (s secrets) around(e *expr, rng hcl.Range) *unit {
	units := s[e]
	i := slices.IndexFunc(units, func(u *unit) bool { return len(units) == 1 || u.holds(rng) })
	return units[i]
}

// use notes a reference to a member of e, which may be nil.
func (s secrets) use(e *expr, path []string, by *unit) {
	for _, u := range s[e] {
		if u.touches(path) {
			u.users = append(u.users, use{by, len(path) < len(u.path)})
		}
	}
}

// spread finds the units that only secret ones refer to, and those that may be
// secret in part.
func (s secrets) spread() {
	for _, units := range s {
		var all []use
		for _, u := range units {
			for _, by := range u.users {
				all = append(all, use{by.by, true})
			}
		}
		for _, u := range units {
			if len(u.users) == 0 { // a member that nothing uses is as the others
				u.users = all
			}
		}
	}
	s.until(func(u *unit) bool {
		was := u.secret
		u.secret = was || len(u.users) > 0 && !slices.ContainsFunc(u.users, func(by use) bool { return !by.by.secret && by.by != u })
		return u.secret != was
	})
	s.until(func(u *unit) bool {
		was := u.doubtful
		u.doubtful = was || !u.secret && u.inDoubt()
		return u.doubtful != was
	})
}

// until calls f with all units until it changes none.
func (s secrets) until(f func(*unit) bool) {
	for again := true; again; {
		again = false
		for _, units := range s {
			for _, u := range units {
				again = f(u) || again
			}
		}
	}
}

// inDoubt reports whether some use is of a secret, or of what may be one, and
// no other shows that the unit itself is none.
func (u *unit) inDoubt() bool {
	asSecret, doubtful, shown := false, false, false
	for _, by := range u.users {
		switch {
		case by.by.secret:
			asSecret = true
		case by.by.doubtful:
			doubtful = true
		case !by.around && !u.parts:
			shown = true
		}
	}
	return !shown && (asSecret || doubtful)
}

// apply gives an expression of the module m the functions that note the files
// that it reads as what they are.
func (s secrets) apply(e *expr, m *module) {
	units := s[e]
	e.secret = !slices.ContainsFunc(units, func(u *unit) bool { return !u.secret })
	switch {
	case e.secret:
		e.table = m.secretTable
	case len(units) == 1:
		if units[0].doubtful {
			e.table = m.doubtTable
		}
	default:
		for _, u := range units {
			switch {
			case u.secret:
				u.withTable(m.secretTable)
				e.secrets = append(e.secrets, u.member)
			case u.doubtful:
				u.withTable(m.doubtTable)
			}
		}
	}
}
