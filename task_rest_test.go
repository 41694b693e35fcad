package pulp_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
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

func TestCancelAndPurgeRefuseWhatTheyDoNotKnow(t *testing.T) {
	t.Parallel()
	a := archive(t)
	for path, bodies := range map[string]map[string]string{
		a.href("held.Back"): {
			`{"state":"running"}`: `{"state":["The only acceptable value for 'state' is 'canceled'."]}`, `{}`: `{"state":["This field is required."]}`,
			`{"state":"canceled","worker":"x"}`: `{"worker":["Unexpected field"]}`, `{"state":""}`: `{"state":["This field may not be blank."]}`,
		},
		"task-groups/" + a.group.ID.String() + "/": {`{"state":"completed"}`: `{"state":["The only acceptable value for 'state' is 'canceled'."]}`, `{"x":1}`: `{"state":["This field is required."]}`},
	} {
		for body, want := range bodies {
			answer := a.Refused(t, 400, "PATCH", path, jsonText(body))
			require.JSONEq(t, want, string(answer.Body), body)
		}
	}
	for body, field := range map[string]string{`{"states":["waiting"]}`: "states", `{"states":["running","completed"]}`: "states", `{"finished_before":"soon"}`: "finished_before",
		`{"finished_before":null}`: "finished_before", `{"x":1}`: "x", `{"states":"completed"}`: "states"} {
		require.Contains(t, a.Refused(t, 400, "POST", "tasks/purge/", jsonText(body)).Object(t), field, body)
	}
	require.Equal(t, "waiting", a.State(t, a.href("held.Back")))
}

// jsonText is a body as it is.
type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }

func TestPurgeCountsWhatGoesByKind(t *testing.T) {
	t.Parallel()
	a := archive(t)
	task := a.Completes(t, "tasks/purge/", object{"finished_before": "2031-01-01", "states": []string{"completed", "failed"}})
	done := map[string]int{}
	for _, r := range task["progress_reports"].([]any) {
		r := pulptest.Object(r.(map[string]any))
		done[r.Text("code")] = r.Number("done")
		require.Equal(t, "completed", r.Text("state"))
	}
	require.Equal(t, map[string]int{"purge.tasks.total": 4, "purge.tasks.key.core.Task": 3, "purge.tasks.key.core.CreatedResource": 1}, done)
	require.Len(t, a.List(t, "tasks/", "name__in=held.Back,gone,mirror.nightly"), 2)
}

func TestChildAndMadeResourcesAreInTheRecord(t *testing.T) {
	t.Parallel()
	a := archive(t)
	parent, child := a.Get(t, a.href("mirror.nightly")), a.Get(t, a.href("mirror.child"))
	require.Equal(t, []string{child.Href()}, parent.Texts("child_tasks"))
	require.Equal(t, parent.Href(), child.Text("parent_task"))
	require.Equal(t, []string{a.repo.Href()}, parent.Texts("created_resources"))
	require.Equal(t, []string{a.repo.Text("prn")}, parent.Texts("created_resource_prns"))
	domain := parent.Texts("reserved_resources_record")[2]
	require.Equal(t, []string{a.repo.Text("prn"), "shared:" + a.remote.Text("prn"), domain}, parent.Texts("reserved_resources_record"))
	require.Regexp(t, "^shared:prn:core.domain:", domain)
	require.Equal(t, "no paper", a.Get(t, a.href("report_daily")).Object("error").Text("description"))
	a.Delete(t, a.href("mirror.nightly"))
	require.Nil(t, a.Get(t, a.href("mirror.child"))["parent_task"])
}
