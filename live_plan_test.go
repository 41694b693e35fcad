package pulp_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

func TestUnitsOfAVersionAreFoundByTheIndexOfTheirField(t *testing.T) {
	t.Parallel()
	type leaf struct {
		Tree string `json:"tree" pulp:"key,filter"`
		Name string `json:"name" pulp:"key"`
	}
	leaves := &pulp.ContentType[leaf]{Name: "leaf"}
	app := pulptest.New(t, pulptest.Plugins(pulp.Plugin{Name: "tree", Version: "1.0.0", Parts: []pulp.Part{leaves}}))
	s := &site{App: app}
	query, err := leaves.InSQL(app.App, &pulp.Version{RepositoryID: 1, Number: 1}, "tree", "oak")
	require.NoError(t, err)
	plan := s.plan(t, query)
	require.Contains(t, plan, "_tree", plan)
	require.NotContains(t, plan, "SCAN", plan)

	query, err = leaves.ValuesSQL(app.App, "tree")
	require.NoError(t, err)
	for _, value := range []string{"''", "1", "1", "1", "10"} {
		query = strings.Replace(query, "?", value, 1)
	}
	plan = s.plan(t, query)
	require.Contains(t, plan, "_tree", plan)
	require.NotContains(t, plan, "SCAN", plan)
	require.NotContains(t, plan, "TEMP", plan)

	// What cannot be asked is an error, and no version holds nothing.
	for ctx, name := range map[context.Context]string{app.With(t.Context()): "name", t.Context(): "tree"} {
		for _, err := range leaves.In(ctx, &pulp.Version{}, name, "x") {
			require.Error(t, err)
		}
	}
	for range leaves.In(app.With(t.Context()), nil, "tree", "oak") {
		t.Error("a unit")
	}
	for range leaves.Values(app.With(t.Context()), nil, "tree") {
		t.Error("a value")
	}
}
