package pulp_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// A record of tasks, by name and hour:
//
//	0 mirror.nightly  exclusive repo, shared remote; completed; made a repository version; its child is the next one
//	0 mirror.child    completed, in the transaction of its parent
//	1 report_daily    shared repo and remote; in a group; failed
//	2 held.Back       exclusive remote; held back
//	3 gone            canceled
type taskArchive struct {
	*site
	repo, remote object
	group        *pulp.TaskGroup
	ids          map[string]pulp.ID
}

func archive(t *testing.T) *taskArchive {
	t.Helper()
	work := map[string]*pulp.Task[string, string]{}
	var parts []pulp.Part
	for _, name := range []string{"mirror.nightly", "mirror.child", "report_daily", "held.Back", "gone"} {
		work[name] = &pulp.Task[string, string]{Name: name, Run: func(ctx context.Context, j *pulp.Job, fail string) (string, error) {
			if fail != "" {
				return "", errors.New(fail)
			}
			if j.Name() == "mirror.nightly" {
				j.Created("repository", 1)
				return "", j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
					_, err := work["mirror.child"].Dispatch(ctx, tx, "")
					return err
				})
			}
			return "", nil
		}}
		parts = append(parts, work[name])
	}
	clock := pulptest.NewClock()
	a := &taskArchive{site: &site{App: pulptest.New(t, pulptest.Inline(), pulptest.Time(clock), pulptest.Plugins(file.Plugin()), pulptest.Parts(parts...))}, ids: map[string]pulp.ID{}}
	a.repo, a.remote = a.repository(t), a.Create(t, fileRemotes, object{"name": "up", "url": "http://127.0.0.1/x"})
	repo, remote := a.row(t, a.repo.Href()), a.remoteRow(t)
	require.NoError(t, a.Tx(t.Context(), func(ctx context.Context, tx bun.Tx) (err error) {
		a.group, err = a.NewGroup(ctx, tx, "g")
		return err
	}))
	dispatch := func(name, args string, opts ...pulp.DispatchOption) {
		t.Helper()
		ctx := pulp.WithCaller(t.Context(), pulp.Caller{CorrelationID: "cid-" + name})
		require.NoError(t, a.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
			_, err := work[name].Dispatch(ctx, tx, args, opts...)
			return err
		}))
	}
	dispatch("mirror.nightly", "", pulp.Exclusive(repo), pulp.Shared(remote))
	clock.Advance(time.Hour)
	dispatch("report_daily", "no paper", pulp.Shared(repo), pulp.Shared(remote), pulp.Group(a.group))
	clock.Advance(time.Hour)
	dispatch("held.Back", "", pulp.Exclusive(remote), pulp.After(time.Hour))
	clock.Advance(time.Minute)
	dispatch("gone", "", pulp.After(time.Hour))
	for name, w := range work {
		a.ids[name] = pulptest.Dispatched(t, a.App, w)[0].ID
	}
	require.NoError(t, a.Cancel(t.Context(), a.ids["gone"]))
	return a
}

func (a *taskArchive) remoteRow(t *testing.T) *pulp.Remote[pulp.None] {
	t.Helper()
	m, err := pulp.NewModel[pulp.Remote[pulp.None]]().First(t.Context(), a.DB().Reader(), func(q *bun.SelectQuery) *bun.SelectQuery { return q })
	require.NoError(t, err)
	return m
}

func (a *taskArchive) href(name string) string {
	return a.APIPath() + "tasks/" + a.ids[name].String() + "/"
}
func (a *taskArchive) prn(name string) string { return "prn:core.task:" + a.ids[name].String() }

// findsEach compares what a list finds for each query with what it should, by the field that names its rows.
func findsEach(t *testing.T, s *site, list, field string, known []string, cases map[string]string) {
	t.Helper()
	for query, want := range cases {
		name, value, _ := strings.Cut(query, "=")
		found := []string{}
		for _, o := range s.List(t, list, name+"="+url.QueryEscape(value)) {
			if n := o.Text(field); slices.Contains(known, n) {
				found = append(found, n)
			}
		}
		slices.Sort(found)
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		require.Equal(t, append([]string{}, wanted...), found, query)
	}
}

func TestEachFilterOfTasks(t *testing.T) {
	t.Parallel()
	a := archive(t)
	const all = "mirror.nightly mirror.child report_daily held.Back gone"
	const at0, at1, at2 = "2030-01-01T00:00:00Z", "2030-01-01T01:00:00Z", "2030-01-01T02:00:00Z"
	group := a.APIPath() + "task-groups/" + a.group.ID.String() + "/"
	repo, remote := a.repo.Text("prn"), a.remote.Text("prn")
	cases := map[string]string{
		"state=completed": "mirror.nightly mirror.child", "state=failed": "report_daily", "state=waiting": "held.Back", "state=canceled": "gone",
		"state=running": "", "state=canceling": "", "state=skipped": "",
		"state__in=failed,canceled": "report_daily gone", "state__in=nothing": "", "state__ne=completed": "report_daily held.Back gone",
		"name=gone": "gone", "name=gon": "", "name=GONE": "", "name__contains=mirror": "mirror.nightly mirror.child", "name__contains=MIRROR": "",
		"name__contains=%": "", "name__contains=_": "report_daily", "name__in=gone,held.Back,x": "gone held.Back", "name__ne=gone": "mirror.nightly mirror.child report_daily held.Back",
		"logging_cid=cid-gone": "gone", "logging_cid=gone": "", "logging_cid__contains=cid-": all, "logging_cid__contains=nightly": "mirror.nightly mirror.child",
		"parent_task=" + a.href("mirror.nightly"): "mirror.child", "parent_task=" + a.prn("mirror.nightly"): "mirror.child", "parent_task=" + a.href("gone"): "",
		"child_tasks=" + a.href("mirror.child"): "mirror.nightly", "child_tasks=" + a.prn("mirror.child"): "mirror.nightly", "child_tasks=" + a.href("gone"): "",
		"task_group=" + group: "report_daily", "task_group=prn:core.taskgroup:" + a.group.ID.String(): "report_daily",
		"created_resources=" + a.repo.Href(): "mirror.nightly", "created_resources=" + repo: "mirror.nightly", "created_resources=" + a.remote.Href(): "",
		"worker=x": "", "worker=": all, "worker__in=x,y": "", "worker__isnull=true": all, "worker__isnull=false": "",
		"reserved_resources=" + a.repo.Href(): "mirror.nightly report_daily", "reserved_resources=" + repo: "mirror.nightly report_daily",
		"reserved_resources=" + remote: "mirror.nightly report_daily held.Back", "reserved_resources=prn:core.task:" + pulp.NewID().String(): "",
		"reserved_resources__in=" + repo + "," + a.remote.Href(): "mirror.nightly report_daily", "reserved_resources__in=" + remote: "mirror.nightly report_daily held.Back",
		"exclusive_resources=" + a.repo.Href(): "mirror.nightly", "exclusive_resources=" + remote: "held.Back",
		"exclusive_resources__in=" + repo + "," + remote: "", "exclusive_resources__in=" + repo: "mirror.nightly",
		"shared_resources=" + a.repo.Href(): "report_daily", "shared_resources=" + remote: "mirror.nightly report_daily",
		"shared_resources__in=" + repo + "," + remote: "report_daily", "shared_resources__in=" + a.remote.Href(): "mirror.nightly report_daily",
		"pulp_href__in=" + a.href("gone") + "," + a.href("report_daily"): "gone report_daily", "prn__in=" + a.prn("gone"): "gone",
		"pulp_id__in=" + a.ids["gone"].String() + "," + a.ids["held.Back"].String(): "gone held.Back",
		"q=state=failed OR name__contains=child":                                    "report_daily mirror.child", "q=NOT state__in='completed,failed'": "held.Back gone",
		"q=name=gone AND state=waiting": "",
	}
	// The times: created and, where there are some, started, finished and ready at the hour of the table.
	for field, of := range map[string][3]string{
		"pulp_created": {"mirror.nightly mirror.child", "report_daily", "held.Back gone"},
		"started_at":   {"mirror.nightly mirror.child", "report_daily", ""},
		"unblocked_at": {"mirror.nightly mirror.child", "report_daily", ""},
		"finished_at":  {"mirror.nightly mirror.child", "report_daily", "gone"},
	} {
		cases[field+"="+at1] = of[1]
		cases[field+"="+at2[:14]+"30:00Z"] = ""
		cases[field+"__lt="+at1], cases[field+"__lte="+at1] = of[0], of[0]+" "+of[1]
		cases[field+"__gt="+at1], cases[field+"__gte="+at1] = of[2], of[1]+" "+of[2]
		cases[field+"__range="+at0+","+at1], cases[field+"__range="+at1+","+at0] = of[0]+" "+of[1], ""
		set := of[0] + " " + of[1] + " " + of[2]
		var unset []string
		for _, name := range strings.Fields(all) {
			if !slices.Contains(strings.Fields(set), name) {
				unset = append(unset, name)
			}
		}
		cases[field+"__isnull=false"], cases[field+"__isnull=true"] = set, strings.Join(unset, " ")
	}
	findsEach(t, a.site, "tasks/", "name", strings.Fields(all), cases)
	requireAllParameters(t, a.site, "tasks/", cases)
}

// requireAllParameters requires that no filter that the API describes was left out.
func requireAllParameters(t *testing.T, s *site, list string, cases map[string]string) {
	t.Helper()
	tried := map[string]bool{}
	for query := range cases {
		name, _, _ := strings.Cut(query, "=")
		tried[name] = true
	}
	get := s.Get(t, "docs/api.json").Object("paths", s.APIPath()+list, "get")
	for _, p := range get["parameters"].([]any) {
		name := pulptest.Object(p.(map[string]any)).Text("name")
		if slices.Contains([]string{"limit", "offset", "ordering", "fields", "exclude_fields"}, name) {
			continue
		}
		require.True(t, tried[name], "the filter %s of %s is not tried", name, list)
	}
}

func TestBadFiltersOfTasksAreRefused(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	for query, body := range map[string]string{
		"state=done":                 `{"state":["Select a valid choice. done is not one of the available choices."]}`,
		"pulp_created__lt=yesterday": `{"pulp_created__lt":["Enter a valid date/time."]}`,
		"started_at__range=2030":     `{"started_at__range":["Range query expects two values."]}`,
		"finished_at__isnull=maybe":  `{"finished_at__isnull":["Enter true or false."]}`,
		"pulp_id__in=x":              `{"pulp_id__in":["“x” is not a valid UUID."]}`,
		"nothing=x":                  `{"errors":["Invalid Filter: 'nothing'"]}`,
		"ordering=worker":            `{"ordering":["Select a valid choice. worker is not one of the available choices."]}`,
	} {
		a := s.Refused(t, 400, "GET", "tasks/?"+query, nil)
		require.JSONEq(t, body, string(a.Body), query)
	}
	for _, query := range []string{"parent_task=x", "reserved_resources=/pulp/api/v3/nowhere/", "created_resources=x", "task_group=/x/"} {
		s.Refused(t, 400, "GET", "tasks/?"+query, nil)
	}
}

func TestTasksAreOrderedAndPruned(t *testing.T) {
	t.Parallel()
	a := archive(t)
	names := func(query string) (out []string) {
		for _, o := range a.List(t, "tasks/", query, "state__ne=completed") {
			out = append(out, o.Text("name"))
		}
		return out
	}
	for order, want := range map[string][]string{
		"": {"gone", "held.Back", "report_daily"}, "pulp_created": {"report_daily", "held.Back", "gone"}, "-finished_at": {"gone", "report_daily", "held.Back"},
		"name": {"gone", "held.Back", "report_daily"}, "-name": {"report_daily", "held.Back", "gone"}, "state": {"gone", "report_daily", "held.Back"},
		"error": {"gone", "held.Back", "report_daily"}, "immediate,-versions": {"gone", "held.Back", "report_daily"}, "pk": {"report_daily", "held.Back", "gone"},
		"reserved_resources_record": {"held.Back", "gone", "report_daily"}, "-logging_cid": {"report_daily", "held.Back", "gone"},
	} {
		require.Equal(t, want, names("ordering="+order), order)
	}
	keys := func(query string) (out []string) {
		for k := range a.Get(t, "tasks/"+a.ids["gone"].String()+"/?"+query) {
			out = append(out, k)
		}
		slices.Sort(out)
		return out
	}
	short := []string{"finished_at", "name", "prn", "pulp_api_version", "pulp_created", "pulp_href", "pulp_last_updated", "started_at", "state", "unblocked_at", "worker"}
	require.Equal(t, short, keys("minimal=true"))
	require.Len(t, keys("minimal=false"), 22)
	require.Equal(t, []string{"name", "result"}, keys("fields=name,result,nothing"))
	require.Equal(t, []string{"name"}, keys("minimal=true&fields=name,result"))
	require.Equal(t, short[1:], keys("minimal=true&exclude_fields=finished_at"))
	require.NotContains(t, keys("exclude_fields=name&exclude_fields=error"), "name")
	require.Equal(t, []string{"urls"}, slices.Collect(mapsKeys(a.Get(t, a.href("gone")+"profile_artifacts/"))))
	require.Empty(t, a.Get(t, a.href("gone")+"profile_artifacts/?exclude_fields=urls"))
	a.Refused(t, 404, "GET", "tasks/"+pulp.NewID().String()+"/profile_artifacts/", nil)
}

func mapsKeys(o pulptest.Object) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range o {
			if !yield(k) {
				return
			}
		}
	}
}
