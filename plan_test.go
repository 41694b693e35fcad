package pulp_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
)

// statements remembers what bun asks.
type statements struct {
	mu  sync.Mutex
	all []string
}

func (s *statements) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, e.Query)
	return ctx
}

func (*statements) AfterQuery(context.Context, *bun.QueryEvent) {}

func TestNamesAreFoundByTheirIndex(t *testing.T) {
	t.Parallel()
	s, seen := openShop(t, file.Plugin()), &statements{}
	s.DB().Reader().AddQueryHook(seen) //lint:ignore SA1019 the App has this very DB, not a copy
	remote := s.make(t, "remotes/file/file/", `{"name":"r","url":"http://example.org/M"}`)
	s.make(t, "repositories/file/file/", `{"name":"a"}`)
	s.ask(t, "GET", remote, "")
	for _, path := range []string{"repositories/file/file/?name=a", "repositories/?name__in=a,b", "distributions/file/file/?name=x", "distributions/?base_path=x", "remotes/?name=x", "shop/orders/?name=x"} {
		s.names(t, path, "name")
	}
	explained := 0
	for _, query := range seen.all {
		if !strings.HasPrefix(query, "SELECT") {
			continue
		}
		rows, err := s.DB().Reader().DB.Query("EXPLAIN QUERY PLAN " + query)
		require.NoError(t, err, query)
		for rows.Next() {
			var a, b, c int
			var plan string
			require.NoError(t, rows.Scan(&a, &b, &c, &plan))
			require.False(t, strings.HasPrefix(plan, "SCAN") && !strings.HasPrefix(plan, "SCAN CONSTANT") && !strings.Contains(plan, "json_each"), "%s\n%s", plan, query)
		}
		require.NoError(t, rows.Err())
		explained++
	}
	require.Greater(t, explained, 10)
}
