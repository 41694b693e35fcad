package pulp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// Stamped counts its changes by a hook of bun's.
type Stamped struct {
	bun.BaseModel `bun:"table:shop_stamped,alias:st"`
	Key           int64  `bun:"key,pk,autoincrement" json:"-"`
	Name          string `bun:"name" json:"name" validate:"required"`
	Changes       int64  `bun:"changes" json:"changes" pulp:"readonly"`
}

func (s *Stamped) BeforeAppendModel(_ context.Context, q bun.Query) error {
	if _, changing := q.(*bun.UpdateQuery); changing {
		s.Changes++
	}
	return nil
}

func TestWhatAHookOfAModelChangesIsWritten(t *testing.T) {
	t.Parallel()
	s, err := tryShop(t, shopSchema+"CREATE TABLE shop_stamped (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, changes INTEGER NOT NULL)",
		pulp.Config{Parts: []pulp.Part{&pulp.ViewSet[Stamped]{Path: "shop/stamped", Access: pulp.AdminOnly}}})
	require.NoError(t, err)
	href := s.make(t, "shop/stamped/", `{"name":"a"}`)
	for range 2 {
		require.Equal(t, 200, s.ask(t, "PATCH", href, `{"name":"a"}`).code, "nothing changes")
	}
	require.Equal(t, 200, s.ask(t, "PATCH", href, `{"name":"b"}`).code)
	got := s.ask(t, "GET", href, "").object(t)
	require.Equal(t, []any{"b", 1.0}, []any{got["name"], got["changes"]})
}
