package pulp

import (
	"context"
	"encoding/json"
	"reflect"
)

// DecodeInto reads a body into a struct as a POST does.
func (a *App) DecodeInto(ctx context.Context, body map[string]json.RawMessage, dst any) error {
	p, err := planOf(reflect.TypeOf(dst).Elem())
	if err != nil {
		return err
	}
	return a.decoder(ctx, a.db.Reader()).decode(p, body, reflect.ValueOf(dst).Elem(), creating)
}
