package pulp_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

func TestTaskSaysWhyItWaits(t *testing.T) {
	t.Parallel()
	s := newStage()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{s.task}, Workers: 2})
	h.run()
	r, q, l := plain("prn:r"), plain("prn:q"), pulp.Limit{Key: "l", N: 1}
	why := func(id pulp.ID) []pulp.Blocker {
		out, err := h.BlockedBy(t.Context(), id)
		require.NoError(t, err)
		return out
	}
	reader := dispatch(h, s.task, "reader", pulp.Shared(r), l).ID
	require.Equal(t, "reader", receive(t, s.started))
	require.Empty(t, why(reader))
	writer := dispatch(h, s.task, "writer", pulp.Exclusive(r), pulp.Shared(q)).ID
	require.Equal(t, []pulp.Blocker{{Reason: pulp.BlockedByResource, Task: reader, State: pulp.Running, Resource: "prn:r"}}, why(writer))
	later := dispatch(h, s.task, "later", pulp.Shared(r), pulp.Exclusive(q)).ID
	require.ElementsMatch(t, []pulp.Blocker{
		{Reason: pulp.BlockedByResource, Task: writer, State: pulp.Waiting, Resource: "prn:r"},
		{Reason: pulp.BlockedByResource, Task: writer, State: pulp.Waiting, Resource: "prn:q"},
	}, why(later))
	limited := dispatch(h, s.task, "limited", l).ID
	require.Equal(t, []pulp.Blocker{{Reason: pulp.BlockedByLimit, Task: reader, State: pulp.Running, Resource: "l"}}, why(limited))
	due := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	held := dispatch(h, s.task, "held", pulp.At(due)).ID
	require.Equal(t, []pulp.Blocker{{Reason: pulp.BlockedByTime, Until: pulp.TimeOf(due)}}, why(held))

	dispatch(h, s.task, "other")
	require.Equal(t, "other", receive(t, s.started))
	queued := dispatch(h, s.task, "queued").ID
	require.Equal(t, []pulp.Blocker{{Reason: pulp.BlockedByWorkers}}, why(queued))
	require.NoError(t, h.Pause(t.Context(), "stage"))
	require.Equal(t, []pulp.Blocker{{Reason: pulp.BlockedByPause}}, why(queued))
	require.NoError(t, h.Resume(t.Context(), "stage"))
	_, err := h.BlockedBy(t.Context(), pulp.NewID())
	require.ErrorIs(t, err, pulp.ErrNotFound)

	body := h.call("tasks_blocked_by", pulp.Request{Vars: map[string]string{"pk": writer.String()}})
	require.JSONEq(t, fmt.Sprintf(`{"blocked_by": [{"reason": "resource", "resource": "prn:r", "state": "running", "until": null,
		"task": "/pulp/api/v3/tasks/%s/"}]}`, reader), string(body))
	for _, name := range []string{"reader", "other", "writer", "later", "limited", "queued"} {
		s.end(name, nil)
	}
}

func TestWhyATaskWaitsDoesNotFeelTheBacklog(t *testing.T) {
	t.Parallel()
	h := openTasks(t, t.TempDir(), pulp.Config{Workers: -1})
	h.exec(fmt.Sprintf(backlog, 5000))
	var last pulp.ID
	require.NoError(t, h.DB().Reader().DB.QueryRow("SELECT pulp_id FROM task ORDER BY id DESC LIMIT 1").Scan(&last))
	h.exec(`UPDATE task SET record = '["x"]' WHERE pulp_id = ?`, last)
	h.exec(`INSERT INTO reservation SELECT ?, 1, ticket, task_id FROM reservation WHERE resource = 1`, pulp.ResourceNumber("x"))
	out, err := h.BlockedBy(t.Context(), last)
	require.NoError(t, err)
	require.Len(t, out, 10, "so many are named")
}

// call does an operation of the API and returns its body.
func (h *taskHost) call(id string, r pulp.Request) json.RawMessage {
	h.t.Helper()
	answer, err := h.try(id, r)
	require.NoError(h.t, err)
	return answer.Body
}

// try does an operation of the API.
func (h *taskHost) try(id string, r pulp.Request) (*pulp.Answer, error) {
	h.t.Helper()
	for _, op := range h.Operations() {
		if op.ID == id {
			return op.Do(h.With(h.t.Context()), &r)
		}
	}
	require.FailNow(h.t, "no operation "+id)
	return nil, nil
}
