package pulp_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnfinishedTaskIsNotForgotten(t *testing.T) {
	t.Parallel()
	s, _ := openCounted(t) // nobody runs tasks
	order := s.make(t, "shop/orders/", `{"name":"x"}`)
	r := s.ask(t, "POST", order+"probe_later/", `{"word":"x"}`)
	require.Equal(t, http.StatusAccepted, r.code, r.body)
	href := r.field(t, "task")
	require.Equal(t, "waiting", s.ask(t, "GET", href, "").field(t, "state"))
	require.Equal(t, reply{http.StatusConflict, ""}, s.ask(t, "DELETE", href, ""))

	canceled := s.ask(t, "PATCH", href, `{"state":"canceled"}`)
	require.Equal(t, http.StatusOK, canceled.code)
	require.Equal(t, "canceled", canceled.field(t, "state"))
	require.Equal(t, http.StatusConflict, s.ask(t, "PATCH", href, `{"state":"canceled"}`).code)
	require.Equal(t, http.StatusNoContent, s.ask(t, "DELETE", href, "").code)
	require.Equal(t, http.StatusNotFound, s.ask(t, "GET", href, "").code)
}

func TestPurgeForgetsManyFinishedTasks(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	_, err := s.DB().Writer().DB.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
		INSERT INTO task (pulp_id, domain_id, pulp_created, pulp_last_updated, name, state, exclusive, shared, record, args, finished_at)
		SELECT randomblob(16), 1, 1, 1, 'old', CASE WHEN i <= 2400 THEN 'completed' ELSE 'failed' END, '[]', '[]', '[]', x'', CASE WHEN i % 100 = 0 THEN 4000000000000000 ELSE 1 END FROM n`)
	require.NoError(t, err)
	task := s.end(t, s.ask(t, "POST", "tasks/purge/", `{}`))
	require.Equal(t, "completed", task["state"], task)
	require.EqualValues(t, 2376, task["progress_reports"].([]any)[0].(map[string]any)["done"])
	require.Equal(t, 124, s.rows(t, "SELECT count(*) FROM task WHERE name = 'old'"), "the failed and the young stay")
	require.Equal(t, "completed", s.end(t, s.ask(t, "POST", "tasks/purge/", `{"states":["failed","completed"],"finished_before":"2200-01-01"}`))["state"])
	require.Zero(t, s.rows(t, "SELECT count(*) FROM task WHERE name = 'old'"))
}

func TestWhatATaskMadeIsNamedForAnyKindOfModel(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	made := s.end(t, s.ask(t, "POST", "shop/late-orders/", `{"name":"late"}`))
	require.Equal(t, []any{made["result"].(map[string]any)["prn"]}, made["created_resource_prns"])
	href := made["created_resources"].([]any)[0].(string)
	require.Equal(t, []string{"completed"}, s.names(t, "tasks/?created_resources="+href, "state"))
	require.Equal(t, http.StatusAccepted, s.ask(t, "DELETE", href, "").code)
	require.Eventually(t, func() bool {
		return s.ask(t, "GET", made["pulp_href"].(string), "").object(t)["created_resources"].([]any)[0] == "<unavailable>"
	}, waitFor, tick)
}
