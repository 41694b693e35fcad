package pulp_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

func TestWhoWaitsForATaskForSomeTimeLearnsThatItGoesOn(t *testing.T) {
	t.Parallel()
	gate := pulptest.NewGate()
	task := &pulp.Task[struct{}, struct{}]{Name: "test.wait", Run: func(ctx context.Context, _ *pulp.Job, _ struct{}) (struct{}, error) {
		return struct{}{}, gate.Pass(ctx)
	}}
	app := pulptest.New(t, pulptest.Parts(task))
	var ticket *pulp.Ticket[struct{}]
	require.NoError(t, app.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = task.Dispatch(ctx, tx, struct{}{})
		return err
	}))
	ended, err := ticket.WaitFor(t.Context(), time.Millisecond)
	require.NoError(t, err)
	require.False(t, ended)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err = ticket.WaitFor(gone, time.Minute)
	require.ErrorIs(t, err, context.Canceled)
	gate.Open()
	ended, err = ticket.WaitFor(t.Context(), time.Minute)
	require.NoError(t, err)
	require.True(t, ended)
}
