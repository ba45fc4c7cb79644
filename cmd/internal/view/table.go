package view

import (
	"strings"
)

// Table writes rows under headings to standard output, its columns aligned.
// Where there are no rows it writes nothing.
func (v *View) Table(headings []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	p := newPage(v.out)
	table(p, headings, rows)
	v.print(p)
}

func table(p *page, headings []string, rows [][]string) {
	widths := make([]int, len(headings))
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], width0(escape(cell, p.look.unicode)))
		}
	}
	for n, row := range append([][]string{headings}, rows...) {
		s := plain
		if n == 0 {
			s = bold
		}
		for i, cell := range row {
			p.put(s, cell)
			if i < len(row)-1 {
				p.put(plain, strings.Repeat(" ", widths[i]-width0(escape(cell, p.look.unicode))+2))
			}
		}
		p.end()
	}
}
