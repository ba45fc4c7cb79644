package value

import "testing"

func TestJSON(t *testing.T) {
	type pair struct{ A, B string }
	text, err := JSON(pair{"<a> & b", "two\nlines"})
	if want := `{"A":"<a> & b","B":"two\nlines"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v, want %s", text, err, want)
	}
	if _, err := JSON(func() {}); err == nil {
		t.Error("a function was written")
	}
	for text, ok := range map[string]bool{
		`{"A":"1","B":"2"}`:   true,
		" {\"A\":\"1\"} \n":   true,
		`{"A":"1","C":"2"}`:   false, // a key that is not known
		`{"A":"1"} {"A":"1"}`: false, // something behind it
		`{"A":"1"}]`:          false,
		`{"A":"1"`:            false,
		`{"A":1}`:             false,
		``:                    false,
	} {
		var p pair
		if err := ReadJSON([]byte(text), &p); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
