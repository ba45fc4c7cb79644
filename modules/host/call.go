package host

import "context"

// Read reads what stands at each path in one call; an absent path gives nil.
func Read(ctx context.Context, h Host, paths ...string) ([]*File, error) {
	ops := make([]Op, len(paths))
	for i, p := range paths {
		ops[i] = ReadFile{Path: p}
	}
	res, err := h.Do(ctx, ops...)
	if err != nil {
		return nil, err
	}
	files := make([]*File, len(res))
	for i := range res {
		files[i] = res[i].File
	}
	return files, nil
}

// Ask runs one harmless command and returns what it wrote.
func Ask(ctx context.Context, h Host, argv ...string) (Output, error) {
	return first(h.Do(ctx, Query{Argv: argv}))
}

// Exec runs one command that may change the machine.
func Exec(ctx context.Context, h Host, argv ...string) (Output, error) {
	return first(h.Do(ctx, Run{Argv: argv}))
}

func first(res []Result, err error) (Output, error) {
	if err != nil {
		return Output{}, err
	}
	return res[0].Output, nil
}
