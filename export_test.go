package pulp

import (
	"context"
	"encoding/json"
	"reflect"
	"time"
)

// DecodeInto reads a body into a struct as a POST does.
func (a *App) DecodeInto(ctx context.Context, body map[string]json.RawMessage, dst any) error {
	p, err := planOf(reflect.TypeOf(dst).Elem())
	if err != nil {
		return err
	}
	return a.decoder(ctx, a.db.Reader()).decode(p, body, reflect.ValueOf(dst).Elem(), creating)
}

// EncodePage writes a page of repositories as a list does, without reading it.
func (a *App) EncodePage(ctx context.Context, ms []*Repository[None]) ([]json.RawMessage, error) {
	p, err := planOf(reflect.TypeFor[Repository[None]]())
	if err != nil {
		return nil, err
	}
	c := codec[Repository[None]]{app: a, plan: p, end: a.byPath["repositories/file/file"]}
	c.Computed = versionLinks[None](a.registry)
	return c.encode(ctx, a.db.Reader(), ms, nil, nil)
}

// DownAfter is how many of n sources that failed are remembered.
func DownAfter(n int, now time.Time) int {
	var m misses
	for i := range n {
		m.keep(source{id: int64(i)}.miss(), ErrRemote, now, downFor)
	}
	return len(m.byKey)
}
